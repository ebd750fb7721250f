/* group.c -- which kernels are compiled together: those that are one function but for their numbers, and those with outlined
 * loops, which may be equal.
 *
 *     conv_1: form F, 64 ..   conv_2: form F, 96 ..   pool: form G      ->      F with one parameter: conv_1, conv_2   pool
 *
 * A kernel joins the first group of its form in which no more numbers would be parameters than the registers have room for.
 * It depends on the program and the target alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "jit.h"

enum { MAX_PARAMETERS = 16, MAX_STRIDES = 8 };

static bool see_outlined(void *self, const tn_stmt *s) {
  *(bool *)self |= s->kind == TNI_FOR && s->as.loop.kind == TNI_OUTLINED;
  return !*(bool *)self;
}

static bool has_outlined(const tn_func *func) {
  bool found = false;
  tni_stmt_visit(func->body, see_outlined, &found);
  return found;
}

static bool add(tni_arena *arena, tni_group *g, tni_kernel *k) {
  if (g->count == g->capacity) {
    g->capacity = g->capacity ? 2 * g->capacity : 4;
    tni_kernel **all = TNI_NEW_ARRAY(arena, tni_kernel *, g->capacity);
    if (!all) return false;
    if (g->count) memcpy(all, g->kernels, g->count * sizeof *all);
    g->kernels = all;
  }
  g->kernels[g->count++] = k;
  return true;
}

/* Does the kernel join the group? */
static bool joins(tni_group *g, const tni_kernel *k) {
  const tni_form *form = g->outlined ? NULL : &g->kernels[0]->form;
  tni_variation made;
  if (!k->form.text || !form || !form->text || strcmp(form->text, k->form.text) != 0) return false;
  if (!tni_variation_widened(&g->variation, k->form.values, &made)) return false;
  if (made.parameter_count > MAX_PARAMETERS || tni_form_strides(form, &made) > MAX_STRIDES) return false;
  g->variation = made;
  return true;
}

bool tni_group_kernels(tni_arena *arena, size_t count, tni_kernel *kernels, size_t *group_count, tni_group **groups) {
  tni_group *all = *groups = TNI_NEW_ARRAY(arena, tni_group, count);
  size_t n = 0;
  if (!all) return false;
  for (size_t i = 0; i < count && !arena->failed; i++) {
    tni_kernel *k = &kernels[i];
    bool outlined = has_outlined(k->lowered);
    size_t at = 0;
    while (at < n && !(outlined ? all[at].outlined : joins(&all[at], k))) at++;
    if (at == n) {
      all[n++] = (tni_group){.outlined = outlined};
      if (k->form.text) tni_variation_begin(arena, k->form.number_count, k->form.values, &all[at].variation);
    }
    add(arena, &all[at], k);
  }
  *group_count = n;
  return !arena->failed;
}

/* ---- code ----------------------------------------------------------------------------------------------------------- */

/* The kernel as an entry of the group's function; NULL without memory. */
static const tn_func *entry_of(const tni_group *g, tni_kernel *k, const tn_func *shared) {
  tni_arena *arena = &k->region.arena;
  int64_t *numbers = TNI_NEW_ARRAY(arena, int64_t, g->variation.parameter_count);
  tn_func *entry = tni_arena_copy(arena, k->lowered, sizeof *entry);
  if (!numbers || !entry) return NULL;
  k->shared = (tni_shared){shared, 0, numbers};
  for (size_t i = 0; i < k->form.number_count; i++)
    if (tni_variation_is_parameter(&g->variation, i)) numbers[k->shared.number_count++] = k->form.values[i];
  entry->shared = &k->shared;
  return entry;
}

bool tni_group_share(const tni_group *g) {
  tni_kernel *first = g->kernels[0];
  const tn_func *shared = NULL;
  bool shares = g->count > 1 && !g->outlined;
  if (shares) shared = tni_form_shared(&first->region, &first->form, &g->variation, first->lowered->name);
  if (shares && !shared) return false;
  for (size_t i = 0; i < g->count; i++) {
    tni_kernel *k = g->kernels[i];
    if (!(k->code = shares ? entry_of(g, k, shared) : k->lowered)) return false;
  }
  return true;
}
