/* moves.c -- constants that are others in another place: matrices turned, or joined. They are moved when somebody asks.
 *
 *     transpose(c)         of a matrix
 *     concat(c, d, ..)     of rows, or of a matrix' columns
 *
 * Weights of products come turned, or are joined, and are written in panels in the end: those read them where they lie. What is
 * moved has its place, without contents; who reads it settles it before.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

/* One of what it is made of. */
typedef struct part {
  tni_gvalue v;
  struct tni_move *move; /* that is settled before; or NULL */
} part;

struct tni_move {
  tni_move *next;
  tni_gvalue made;
  bool turned, settled; /* turned: its rows are the columns of the one part */
  int32_t axis;         /* else parts stand along it */
  uint32_t count;
  part *parts;
};

/* NULL: there is none, or it is settled. */
static tni_move *find(const tn_program *program, const void *data) {
  tni_move *m = data ? program->moves : NULL;
  while (m && m->made.data != data) m = m->next;
  return m && !m->settled ? m : NULL;
}

bool tni_move_waits(const tn_program *program, const void *data) { return find(program, data) != NULL; }

/* ---- making them ------------------------------------------------------------------------------------------------- */

bool tni_move_suits(const tni_gnode *n, const tni_gvalue *const *in, const tni_gvalue *out) {
  int32_t count, axis = strcmp(n->op->name, "concat") == 0 ? tni_normal_axis(n, 0, out->rank) : -1;
  const int64_t *perm = tni_attr_ints(n, "perm", &count);
  if (axis >= 0) return axis == 0 || (axis == 1 && out->rank == 2);
  return strcmp(n->op->name, "transpose") == 0 && in[0]->rank == 2 && (!perm || perm[0] == 1);
}

bool tni_move_add(tn_program *to, const tni_gnode *n, const tni_gvalue *const *in, const tni_gvalue *out) {
  tni_arena *arena = &to->region.arena;
  tni_move *m = TNI_NEW(arena, tni_move);
  part *parts = TNI_NEW_ARRAY(arena, part, n->input_count);
  if (!m || !parts) return false;
  for (uint32_t i = 0; i < n->input_count; i++) parts[i] = (part){*in[i], find(to, in[i]->data)};
  *m = (tni_move){.next = to->moves, .made = *out, .count = n->input_count, .parts = parts};
  m->turned = strcmp(n->op->name, "transpose") == 0;
  if (!m->turned) m->axis = tni_normal_axis(n, 0, out->rank);
  to->moves = m;
  return true;
}

/* ---- settling ---------------------------------------------------------------------------------------------------- */

static void settle(tni_move *m) {
  size_t size = tn_type_bytes(m->made.type), rows = m->axis ? (size_t)m->made.shape[0] : 1;
  char *to = (char *)(uintptr_t)m->made.data;
  if (m->settled) return;
  m->settled = true;
  for (uint32_t i = 0; i < m->count; i++)
    if (m->parts[i].move) settle(m->parts[i].move);
  if (m->turned) {
    size_t columns = (size_t)m->made.shape[0], count = (size_t)m->made.shape[1];
    tni_turn_contents(to, count, m->parts[0].v.data, columns, count, columns, size);
    return;
  }
  for (size_t r = 0; r < rows; r++)
    for (uint32_t i = 0; i < m->count; i++) {
      size_t run = (size_t)tni_gvalue_numel(&m->parts[i].v) / rows * size;
      if (run) memcpy(to, (const char *)m->parts[i].v.data + r * run, run);
      to += run;
    }
}

void tni_move_settle(tn_program *program, const void *data) {
  tni_move *m = find(program, data);
  if (m) settle(m);
}

void tni_moves_settle(tn_program *program) {
  for (tni_move *m = program->moves; m; m = m->next) settle(m);
}

void tni_moves_mark(const tn_program *program, bool *needed) {
  for (const tni_move *m = program->moves; m; m = m->next)
    for (uint32_t i = 0; i < m->count && !m->settled; i++) needed[tni_program_find_blob(program, m->parts[i].v.data)] = true;
}

void tni_moves_end(tn_program *program) {
  for (size_t i = 0; i < program->graph_count && program->moves; i++)
    for (uint32_t v = 0; v < program->graphs[i]->value_count; v++)
      tni_move_settle(program, program->graphs[i]->values[v].data);
  program->moves = NULL;
}

/* ---- reading them where they lie --------------------------------------------------------------------------------- */

/* Of v, whose channels are its rows or, axis 1, a matrix' columns. False: too many, or joined across. */
static bool add_stripes(const tni_gvalue *v, const tni_move *m, int32_t axis, uint32_t *count, tni_stripe *out) {
  size_t size = tn_type_bytes(v->type), channels = (size_t)v->shape[axis];
  if (channels == 0) return true;
  size_t sums = (size_t)tni_gvalue_numel(v) / channels;
  if (m && !m->settled) {
    if (!m->turned && m->axis != axis) return false;
    for (uint32_t i = 0; i < m->count; i++)
      if (!add_stripes(&m->parts[i].v, m->parts[i].move, m->turned ? 1 - axis : axis, count, out)) return false;
    return true;
  }
  if (*count == TNI_MOST_STRIPES) return false;
  out[(*count)++] = (tni_stripe){.data = v->data,
                                 .count = channels,
                                 .step = axis ? size : sums * size,
                                 .sum_step = axis ? channels * size : size};
  return true;
}

uint32_t tni_move_stripes(const tn_program *program, const tni_gvalue *w, int32_t axis, tni_stripe *out) {
  uint32_t count = 0;
  return add_stripes(w, find(program, w->data), axis, &count, out) ? count : 0;
}
