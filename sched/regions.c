/* regions.c -- the region of a buffer that a block is said to touch.
 *
 *     "(i, j) -> (i * 2 - 1 : 3, j)"      of the block's iterators, in their order: i*2 - 1 .. i*2 + 2, and j .. j + 1
 *
 * Regions are derived from subscripts. Where a subscript tells less than is known of it, such as one that memory says within
 * bounds, annotate_buffer_access states a region, as a hint on the block: read_K or write_K, where K is the buffer's number
 * among those that the block reads (writes). Nobody takes it on trust: whoever uses a stated region proves again that all
 * accesses of the block stay inside, and takes the derived one where that fails.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "sched.h"
#include "text.h"

/* ---- as text ------------------------------------------------------------------------------------------------------- */

/* The end of the component that begins at p: the comma or parenthesis behind it, or the end of the text. */
static const char *component_end(const char *p) {
  int depth = 0;
  for (; *p && (depth || (*p != ',' && *p != ')')); p++) depth += (*p == '(') - (*p == ')');
  return p;
}

/* Takes "- 12" off the end of a component: *end moves before it. */
static int64_t take_offset(const char *begin, const char **end) {
  const char *p = *end;
  while (p > begin && p[-1] == ' ') p--;
  const char *behind = p;
  while (p > begin && isdigit((unsigned char)p[-1])) p--;
  const char *digits = p;
  while (p > begin && p[-1] == ' ') p--;
  if (digits == behind || p == begin || p[-1] != '-') return 0;
  *end = p - 1;
  return -strtoll(digits, NULL, 10);
}

static void copy(char *out, size_t *n, const char *begin, const char *end) {
  for (; begin < end; begin++) out[(*n)++] = *begin;
  out[*n] = 0;
}

/* The map of the first elements as a layout has it, without offsets and sizes, which go to `out`. */
static void take_apart(const char *text, char *map, tni_stated *out) {
  const char *arrow = strstr(text, "->"), *p = arrow ? strchr(arrow, '(') : NULL;
  size_t n = 0;
  out->rank = 0;
  copy(map, &n, text, p ? p + 1 : text + strlen(text));
  for (p = p ? p + 1 : ""; *p && out->rank < TN_MAX_RANK; p++) {
    const char *end = component_end(p), *colon = memchr(p, ':', (size_t)(end - p)), *stop = colon ? colon : end;
    char *behind = NULL;
    out->sizes[out->rank] = colon ? strtoll(colon + 1, &behind, 10) : 1;
    while (behind && *behind == ' ') behind++;
    if (behind && behind != end) out->sizes[out->rank] = 0;
    out->offsets[out->rank++] = take_offset(p, &stop);
    while (p < stop && *p == ' ') p++;
    if (p == stop)
      copy(map, &n, "0", "0" + 1);
    else
      copy(map, &n, p, stop);
    p = end;
    copy(map, &n, p, p + (*p != 0));
    if (*p != ',') break;
  }
}

/* How many names stand in the first parentheses. */
static int32_t names_of(const char *text) {
  const char *p = strchr(text, '('), *end = p ? strchr(p, ')') : NULL;
  int32_t count = 0;
  bool blank = true;
  for (; p && p < end; p++) {
    count += *p == ',';
    blank &= *p == '(' || *p == ' ';
  }
  return blank ? 0 : count + 1;
}

/* ---- as a region --------------------------------------------------------------------------------------------------- */

bool tni_stated_region(tn_schedule *s, const tn_stmt *block, const tn_buffer *b, const char *text, tni_stated *out,
                     char *why, size_t room) {
  tni_region *r = &s->region;
  char map[2 * TNI_MAX_TEXT];
  const tni_layout *layout = NULL;
  const tn_expr *extents[TN_MAX_RANK], *vars[TN_MAX_RANK];
  tn_error *error = NULL;
  int32_t count = block->as.block.count;
  if (count > TN_MAX_RANK) return snprintf(why, room, "the block has more than %d iterators", TN_MAX_RANK), false;
  for (int32_t i = 0; i < count; i++) {
    extents[i] = block->as.block.iters[i].extent;
    vars[i] = block->as.block.iters[i].var;
  }
  if (strchr(text, '(') && names_of(text) != count)
    return snprintf(why, room, "the region names %d iterators, the block has %d", names_of(text), count), false;
  take_apart(text, map, out);
  tn_status status = tni_parse_layout(s->program, r, map, count, extents, &layout, &error);
  if (status) snprintf(why, room, "%s", tn_error_text(error));
  tn_error_destroy(error);
  if (status) return false;
  if (layout->rank != b->rank)
    return snprintf(why, room, "the region has %d dimensions, the buffer %d", layout->rank, b->rank), false;
  tni_subst subst = {(size_t)count, layout->vars, vars};
  for (int32_t d = 0; d < b->rank; d++) {
    if (out->sizes[d] < 1) return snprintf(why, room, "behind `:` stands the size of the region, from 1 up"), false;
    out->bases[d] = tni_add(r, tni_expr_subst(r, layout->index[d], &subst), tni_index(r, out->offsets[d]));
    if (!out->bases[d]) return *why = 0, false;
  }
  return true;
}

/* ---- is it so? ----------------------------------------------------------------------------------------------------- */

typedef struct check {
  tni_region *r;
  tni_prover *prover;
  const tn_buffer *buffer;
  const tni_stated *stated;
  const void *outside; /* the first access that may lie outside */
} check;

/* By the bounds of how far inside it is, or by what the prover knows. */
static bool is_inside(check *c, int32_t count, const tn_expr *const *index) {
  const tni_facts *facts = &c->prover->intervals;
  bool ok = true;
  for (int32_t d = 0; d < count && ok; d++) {
    const tn_expr *base = c->stated->bases[d], *end = tni_add(c->r, base, tni_index(c->r, c->stated->sizes[d]));
    const tn_expr *gap = tni_sub(c->r, index[d], base);
    int64_t lo = -1, hi;
    if (gap && (gap = tni_simplify(c->r, facts, gap))) tni_bounds(facts, gap, &lo, &hi);
    ok = gap && end;
    if (ok && (lo < 0 || hi >= c->stated->sizes[d]))
      ok = tni_prover_never_less(c->prover, index[d], base, 0) && tni_prover_never_less(c->prover, end, index[d], 1);
  }
  return ok;
}

static void check_load(void *self, const tn_expr *x) {
  check *c = self;
  if (x->op != TN_OP_load || x->as.buffer != c->buffer || c->outside) return;
  tni_prover_mark mark = tni_prover_mark_of(c->prover);
  if (tni_load_where(x)) tni_prover_know(c->prover, tni_load_where(x), true);
  if (!is_inside(c, tni_load_count(x), x->arg)) c->outside = x;
  tni_prover_pop(c->prover, mark);
}

static bool check_store(void *self, const tn_stmt *s) {
  check *c = self;
  if (tni_is_write(s) && s->as.store.buffer == c->buffer && !c->outside &&
      !is_inside(c, s->as.store.count, s->as.store.index))
    c->outside = s;
  return true;
}

const void *tni_region_left(tn_schedule *s, const tn_stmt *block, const tn_buffer *b, bool writes,
                            const tni_stated *stated) {
  tni_prover prover;
  check c = {&s->region, &prover, b, stated, NULL};
  tni_prover_init(&prover, s->ctx);
  for (int32_t i = 0; i < block->as.block.count; i++)
    tni_prover_bind(&prover, block->as.block.iters[i].var, block->as.block.iters[i].extent);
  for (int part = 0; part < 2; part++) {
    const tn_stmt *inside = part ? block->as.block.init : block->as.block.body;
    if (inside && writes) tni_stmt_visit(inside, check_store, &c);
    if (inside && !writes) tni_stmt_visit_exprs(s->ctx, inside, check_load, &c);
  }
  if (prover.failed && !c.outside) c.outside = block;
  tni_prover_destroy(&prover);
  return c.outside;
}

/* ---- for whom it is ------------------------------------------------------------------------------------------------ */

const char *tni_region_key(tn_schedule *s, bool writes, size_t number) {
  return tni_arena_format(&s->region.arena, "%s_%zu", writes ? "write" : "read", number);
}

bool tni_stated_box(tn_schedule *s, const tni_access *x, int depth, tni_box *box) {
  tni_region *r = &s->region;
  const tn_stmt *block = x->block;
  char why[256];
  tni_stated stated;
  if (!block || !block->as.block.notes.count || block->as.block.count > TN_MAX_RANK) return true;
  tni_reads all = x->write ? tni_writes_of(block) : tni_reads_of(s->ctx, block);
  size_t number = 0;
  while (number < all.count && all.items[number] != x->buffer) number++;
  const char *key = tni_region_key(s, x->write, number);
  const tni_annotation *note = key ? tni_find_annotation(block->as.block.notes, key) : NULL;
  if (!note || !note->text || (!x->write && !x->load) ||
      !tni_stated_region(s, block, x->buffer, note->text, &stated, why, sizeof why) ||
      tni_region_left(s, block, x->buffer, x->write, &stated))
    return !r->arena.failed;
  const tn_stmt *loops[TNI_MAX_NEST], *none = tni_seq(r, 0, NULL);
  const tn_expr *vars[TN_MAX_RANK];
  tni_access y = *x;
  if (x->depth > TNI_MAX_NEST - TN_MAX_RANK) return true;
  for (int i = 0; i < x->depth; i++) loops[i] = x->loops[i];
  y.loops = loops;
  y.region = NULL; /* it is another one */
  for (int32_t i = 0; i < block->as.block.count; i++) vars[i] = block->as.block.iters[i].var;
  tni_subst subst = {(size_t)block->as.block.count, vars, x->bindings};
  for (int32_t d = 0; d < x->buffer->rank; d++) { /* one more loop, over the region */
    const tn_expr *t = tni_var(r, "t", TN_INDEX), *base = tni_expr_subst(r, stated.bases[d], &subst);
    loops[y.depth++] = tni_for(r, t, tni_index(r, stated.sizes[d]), TNI_SERIAL, none);
    if (!(y.index[d] = tni_add(r, base, t)) || !loops[y.depth - 1]) return false;
  }
  tni_box said;
  if (!tni_access_cover(r, &y, depth, &said)) return false;
  for (int32_t d = 0; d < x->buffer->rank; d++) {
    if (!said.extents[d] || (box->extents[d] && box->extents[d] <= said.extents[d])) continue;
    box->bases[d] = said.bases[d];
    box->extents[d] = said.extents[d];
    box->exact = false;
  }
  return true;
}
