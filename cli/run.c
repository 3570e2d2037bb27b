/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "cli/report_plan.h"
#include "cli/tty.h"
#include "plan/exec.h"

#define OUTPUT_MAX (4 * GIB)

const char *const run_progress_choices[] = {"auto", "plain", "none", NULL};

const char *const run_link_choices[] = {"auto", "hard", "copy", NULL};       // as enum link_mode
const char *const run_norms_choices[] = {"auto", "delta", "absolute", NULL}; // as enum norms_encoding

static atomic_int interrupted;

static void on_signal(int number)
{
    atomic_store(&interrupted, number);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN; // a write past the limit on file sizes shall fail, not kill
    sigaction(SIGXFSZ, &action, NULL);
}

/* Processors that this process may use. */
static unsigned processors(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > 256 ? 256 : (unsigned)n;
}

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
    tty_progress(ctx, done, total);
}

void run_notes(const char *command, const struct plan *plan, const struct opt_common *common)
{
    for (size_t i = 0; i < plan->notes.n && !common->quiet; i++)
        tty_message(command, plan->notes.item[i]);
}

static enum status print_result(const struct plan *plan, const struct exec_memory *memory,
                                const struct run_options *o, const struct opt_common *common, struct err *err)
{
    struct buf out;

    buf_init(&out, OUTPUT_MAX);
    if (common->json)
        report_plan_json(&out, plan, memory);
    else if (o->dry_run)
        report_plan_text(&out, plan, memory, common->verbose);
    else
        report_plan_lines(&out, plan);
    enum status s = tty_print(&out, err);
    buf_free(&out);
    return s;
}

/* Known only when it is done: to be repacked, blocks are looked at one by one. */
static void note_misfits(const char *command, uint64_t n)
{
    char text[128];

    snprintf(text, sizeof text, "%" PRIu64 " block%s did not fit the new type: decoded and quantized again",
             n, n == 1 ? "" : "s");
    if (n > 0)
        tty_message(command, text);
}

static enum status execute(const char *command, const struct plan *plan, struct exec_options *exec,
                           const struct run_options *o, const struct opt_common *common, struct err *err)
{
    struct tty_progress progress = {
        .label = command, .mode = common->quiet ? TTY_PROGRESS_NONE : (enum tty_progress_mode)o->progress};
    struct exec_result result;
    catch_signals();
    exec->cancel = &interrupted;
    exec->progress = show_progress;
    exec->progress_ctx = &progress;
    enum status s = exec_run(plan, exec, &result, err);
    tty_progress_end(&progress);
    if (s == OK && !common->quiet)
        note_misfits(command, result.misfits);
    if (s != OK && result.resumable) {
        char text[ERR_TEXT_MAX];

        snprintf(text, sizeof text, "%s", err->text);
        fail(err, s, "%s; the same command with --resume goes on from here", text);
    }
    return s;
}

static enum status print_worst(const struct quality_report *report, struct err *err)
{
    struct buf out;

    buf_init(&out, OUTPUT_MAX);
    report_quality_text(&out, report);
    enum status s = tty_print(&out, err);
    buf_free(&out);
    return s;
}

enum status run_plan(const char *command, const struct plan *plan, const struct run_options *o,
                     const struct opt_common *common, struct err *err)
{
    struct exec_options exec = {
        .max_memory = o->max_memory,
        .threads = o->threads ? (unsigned)o->threads : processors(),
        .resume = o->resume,
        .force = o->force,
        .allow_nonfinite = o->allow_nonfinite,
        .trust_copies = !o->about,
    };
    struct quality_report report = {.path = o->report, .about = o->about, .force = o->force};
    struct exec_memory memory;
    enum status s = o->report ? quality_open(&report.quality, plan, err) : OK;

    exec.quality = o->report ? &report.quality : NULL;
    if (s == OK)
        s = exec_measure(plan, &exec, &memory, err);
    if (s == OK && !o->dry_run)
        s = exec_precheck(plan, &exec, err);
    if (s == OK && !o->dry_run && o->report)
        s = report_quality_open(&report, err);
    if (s == OK && !(common->json && o->dry_run))
        run_notes(command, plan, common);
    if (s == OK)
        s = o->dry_run ? plan_check(plan, err) : execute(command, plan, &exec, o, common, err);
    if (s == OK && report.file)
        s = report_quality_write(&report, err);
    if (s == OK && (!common->quiet || o->dry_run || common->json))
        s = print_result(plan, &memory, o, common, err);
    if (s == OK && report.file && !common->quiet && !common->json)
        s = print_worst(&report, err);
    report_quality_close(&report);
    return s;
}
