/* topology.c -- the cores and caches that this process may use, read once through hwloc.
 *
 * hwloc restricts what it sees to the process's binding (taskset, cpusets). Its memory is its own and given back at
 * once: only numbers are kept. Nothing is bound here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <hwloc.h>
#include <pthread.h>
#include <sched.h>

#include "lib.h"

struct topology {
  tni_topology facts;
  int32_t pu_count;
  int32_t *pus; /* by core: the number of its first processing unit in the operating system */
};

static const tni_topology guess = {.cores = 1, .l1d = 32 << 10, .l2 = 512 << 10, .l3 = 4 << 20, .cache_line = 64};

/* The caches above one processing unit; what hwloc does not know stays as it is. */
static void read_caches(hwloc_obj_t object, tni_topology *facts) {
  for (; object; object = object->parent) {
    if (!hwloc_obj_type_is_dcache(object->type)) continue;
    const struct hwloc_cache_attr_s *cache = &object->attr->cache;
    if (!cache->size) continue;
    if (cache->depth == 1) facts->l1d = cache->size;
    if (cache->depth == 2) facts->l2 = cache->size;
    if (cache->depth == 3) facts->l3 = cache->size;
    if (cache->depth == 1 && cache->linesize) facts->cache_line = cache->linesize;
  }
}

/* hwloc's view of this machine, or NULL. Components that read another machine from the environment, and the one that
 * would bind the calling thread to find out, are left out. */
static hwloc_topology_t load(void) {
  static const char *const unwanted[] = {"xml", "synthetic", "x86"};
  hwloc_topology_t topology;
  if (hwloc_topology_init(&topology)) return NULL;
  for (size_t i = 0; i < TNI_COUNT(unwanted); i++)
    hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, unwanted[i]);
  hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_RESTRICT_TO_CPUBINDING | HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM |
                                         HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING);
  if (!hwloc_topology_load(topology)) return topology;
  hwloc_topology_destroy(topology);
  return NULL;
}

/* Fills in what hwloc knows. Places are the first processing units of the cores; where no cores are known, all units.
 */
static bool read_places(tn_context *ctx, hwloc_topology_t from, struct topology *to) {
  hwloc_obj_type_t type = hwloc_get_nbobjs_by_type(from, HWLOC_OBJ_CORE) > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
  int count = hwloc_get_nbobjs_by_type(from, type);
  if (count <= 0) return true;
  to->pus = tni_alloc(ctx, sizeof *to->pus * (size_t)count);
  if (!to->pus) return false;
  to->pu_count = to->facts.cores = count;
  for (int i = 0; i < count; i++)
    to->pus[i] = hwloc_bitmap_first(hwloc_get_obj_by_type(from, type, (unsigned)i)->cpuset);
  read_caches(hwloc_get_obj_by_type(from, HWLOC_OBJ_PU, 0), &to->facts);
  return true;
}

static void destroy(tn_context *ctx, void *object) {
  struct topology *topology = object;
  tni_free(ctx, topology->pus, sizeof *topology->pus * (size_t)topology->pu_count);
  tni_free(ctx, topology, sizeof *topology);
}

static void *create(tn_context *ctx, tn_error **err) {
  struct topology *topology = tni_alloc_zero(ctx, sizeof *topology);
  if (!topology) {
    tni_fail_nomem(err);
    return NULL;
  }
  topology->facts = guess;
  hwloc_topology_t machine = load();
  bool known = !machine || read_places(ctx, machine, topology);
  if (!machine) tni_log(ctx, TN_LOG_WARN, "hwloc knows nothing of this machine: caches and cores are guessed");
  if (machine) hwloc_topology_destroy(machine);
  if (known) return topology;
  destroy(ctx, topology);
  tni_fail_nomem(err);
  return NULL;
}

const tni_topology *tni_topology_get(tn_context *ctx) {
  struct topology *topology = tni_context_slot(ctx, TNI_SLOT_TOPOLOGY, create, destroy, NULL);
  return topology ? &topology->facts : &guess;
}

void tni_topology_bind(tn_context *ctx, int32_t place) {
  struct topology *topology = tni_context_slot(ctx, TNI_SLOT_TOPOLOGY, create, destroy, NULL);
  if (!topology || !topology->pu_count) return;
  int unit = topology->pus[place % topology->pu_count];
  if (unit < 0 || unit >= CPU_SETSIZE) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(unit, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set); /* a refusal changes nothing but speed */
}
