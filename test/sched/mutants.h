/* mutants.h -- each check of sched/ switched off: does the oracle see that it is missed?
 *
 * The sources that mutate.py made ask tni_check_on at every check whose condition holds. Where a line asks, the program means
 * something else without the check from there on and nowhere before: the same lines, that one and a few more are run on it
 * with the check off, in a process of its own, since what is not checked may crash. So one run tries all checks at once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_SCHED_MUTANTS_H
#define TEST_SCHED_MUTANTS_H

#include <sys/wait.h>

enum { MAX_CHECKS = 512, MAX_ASKED = 64, TRIAL_SECONDS = 20, ENOUGH = 400 };
enum trial { HARMLESS, SEEN, REFUSED }; /* REFUSED: by another check */

typedef struct check {
  const char *name;
  long trials[3];
  uint64_t seed; /* of the program that showed it */
} check;

static const char *check_off = ""; /* the one that is off */
static bool each, asked_off;
static const char *asked[MAX_ASKED]; /* by a line */
static size_t asked_count, check_count;
static check checks[MAX_CHECKS];

/* Is the check of that name on? */
int tni_check_on(const char *name);
int tni_check_on(const char *name) {
  bool off = strcmp(name, check_off) == 0, known = false;
  asked_off |= off;
  for (size_t i = 0; i < asked_count; i++) known |= asked[i] == name;
  if (!known && asked_count < MAX_ASKED) asked[asked_count++] = name;
  return !off;
}

static check *check_of(const char *name) {
  size_t i = 0;
  while (i < check_count && checks[i].name != name) i++;
  if (i == check_count && check_count < MAX_CHECKS) checks[check_count++].name = name;
  return &checks[i];
}

/* The lines so far and `line`, and up to three more. */
static enum trial try_lines(const script *before, const char *line, uint64_t state) {
  tn_program *program;
  const tn_func *func;
  tn_schedule *s;
  tn_error *error;
  script all = *before;
  snprintf(all.lines[all.count++], LINE, "%s", line);
  if (!open_program(&program, &func) || !open_schedule(program, func, &s)) return HARMLESS;
  for (size_t i = 0; i < all.count; i++) {
    tn_status status = apply(s, all.lines[i], &error);
    if (i + 1 < all.count || status == TN_OK) continue;
    if (status == TN_E_REFUSED || status == TN_E_INVALID) return REFUSED;
    printf("%s %llu: %s\n    %.60s\n", check_off, (unsigned long long)current_seed, line, tn_error_text(error));
    return SEEN;
  }
  for (uint32_t more = oracle_random(&state) % 4; more > 0 && all.count < MAX_LINES; more--) {
    choose_line(tn_schedule_text(s), &state, all.lines[all.count]);
    all.count += apply(s, all.lines[all.count], &error) == TN_OK;
  }
  if (check_script(&all)) return HARMLESS;
  printf("%s %llu", check_off, (unsigned long long)current_seed);
  for (size_t i = 0; i < all.count; i++) printf("%s %s", i ? ";" : ":", all.lines[i]);
  printf("\n    %.*s\n", (int)strcspn(o.why, "\n"), o.why);
  return SEEN;
}

static void crash_alone(int signal_number) { _exit(signal_number); }

/* In a process of its own. */
static enum trial try_apart(const script *before, const char *line, uint64_t state) {
  int status;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    signal(SIGSEGV, crash_alone);
    signal(SIGABRT, crash_alone);
    signal(SIGFPE, crash_alone);
    alarm(TRIAL_SECONDS);
    int result = try_lines(before, line, state);
    fflush(stdout);
    _exit(result);
  }
  if (child < 0 || waitpid(child, &status, 0) != child) return HARMLESS;
  if (WIFEXITED(status) && WEXITSTATUS(status) <= REFUSED) return (enum trial)WEXITSTATUS(status);
  printf("%s %llu: crash: %s\n", check_off, (unsigned long long)current_seed, line);
  return SEEN;
}

/* Behind the lines of `applied`, this one, without each of the checks that it has asked for. What has been harmless often is
 * tried seldom. */
static void try_without_each(const char *line, uint64_t state) {
  const char *names[MAX_ASKED];
  size_t count = asked_count;
  memcpy(names, asked, sizeof names);
  for (size_t i = 0; i < count; i++) {
    check *c = check_of(names[i]);
    long tried_before = c->trials[HARMLESS] + c->trials[REFUSED];
    if (c->trials[SEEN] || (tried_before > ENOUGH && oracle_random(&state) % (uint32_t)(tried_before / ENOUGH))) continue;
    check_off = names[i];
    enum trial result = try_apart(&applied, line, state);
    check_off = "";
    c->trials[result]++;
    if (result == SEEN) c->seed = current_seed;
  }
}

static void show_checks(void) {
  for (size_t i = 0; i < check_count; i++)
    printf("%s %s %ld harmless, %ld refused by another\n", checks[i].trials[SEEN] ? "seen" : "not seen", checks[i].name,
           checks[i].trials[HARMLESS], checks[i].trials[REFUSED]);
}

#endif
