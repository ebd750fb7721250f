/* annotate.c -- hints on loops and blocks: kept by rewrites, without meaning.
 *
 *     for i in 0..n { S }  ->  for i in 0..n with key = 4 { S }      annotate(i, "key", 4)
 *                          <-                                        unannotate(i, "key")
 *
 * A hint of that key which is there already is replaced.
 *
 * refuses: keys that are no names; a text of no characters; a key to remove that is not there
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"
#include "text.h"

enum { MAX_NOTES = 64 };

static const void *mark_of(const tn_stmt *place) {
  return place->kind == TNI_FOR ? (const void *)place->as.loop.var : place;
}

/* The place with these hints instead of those it has. */
static tn_status set_notes(tni_step *step, const tn_stmt *place, int32_t count, const tni_annotation *items) {
  tni_region *r = &step->s->region;
  const tn_stmt *made = tni_annotated(r, place, (tni_annotations){count, items});
  return tni_step_keep(step, tni_replace(r, step->s->func->body, place, made));
}

tn_status tni_step_annotate(tni_step *step, const tn_stmt *place, tni_annotation note) {
  tni_annotation items[MAX_NOTES];
  tni_annotations old = tni_annotations_of(place);
  int32_t count = 0;
  for (int32_t i = 0; i < old.count; i++)
    if (strcmp(old.items[i].key, note.key) != 0) items[count++] = old.items[i];
  if (count == MAX_NOTES)
    return tni_step_refuse(step, mark_of(place), "there are %d annotations already\nneeds: one to be taken away", MAX_NOTES);
  items[count++] = note;
  return set_notes(step, place, count, items);
}

tn_status tni_apply_annotate(tni_step *step) {
  tni_annotation note = {step->args[1].text, step->args[2].text, step->args[2].number};
  const tn_stmt *place = tni_arg_place(step, 0);
  if (!place) return TN_E_REFUSED;
  if (!tni_is_identifier(note.key))
    return tni_step_refuse(step, mark_of(place), "the key of an annotation is a name: letters, digits and _");
  if (note.text && !*note.text)
    return tni_step_refuse(step, mark_of(place), "the text of an annotation has a character at least");
  return tni_step_annotate(step, place, note);
}

tn_status tni_apply_unannotate(tni_step *step) {
  tni_annotation items[MAX_NOTES];
  const tn_stmt *place = tni_arg_place(step, 0);
  if (!place) return TN_E_REFUSED;
  tni_annotations old = tni_annotations_of(place);
  int32_t count = 0;
  for (int32_t i = 0; i < old.count; i++)
    if (strcmp(old.items[i].key, step->args[1].text) != 0) items[count++] = old.items[i];
  if (count == old.count)
    return tni_step_refuse(step, mark_of(place), "there is no annotation `%s` here", step->args[1].text);
  return set_notes(step, place, count, items);
}

static tn_status annotate(tn_schedule *s, tn_place place, const char *key, tni_arg value, tn_error **err) {
  tni_arg args[] = {tni_of_handle(place), tni_of_text(key), value};
  return tni_perform(s, TNI_PRIMITIVE_annotate, 3, args, 0, NULL, NULL, err);
}

tn_status tn_schedule_annotate(tn_schedule *s, tn_place place, const char *key, int64_t value, tn_error **err) {
  return annotate(s, place, key, tni_of_int(value), err);
}

tn_status tn_schedule_annotate_text(tn_schedule *s, tn_place place, const char *key, const char *text, tn_error **err) {
  return annotate(s, place, key, tni_of_text(text), err);
}

tn_status tn_schedule_unannotate(tn_schedule *s, tn_place place, const char *key, tn_error **err) {
  tni_arg args[] = {tni_of_handle(place), tni_of_text(key)};
  return tni_perform(s, TNI_PRIMITIVE_unannotate, 2, args, 0, NULL, NULL, err);
}
