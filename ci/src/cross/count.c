/* A plugin of QEMU's that counts the instructions of a program: all of them, and those of some kinds. A kind is an argument,
   name=MASK/VALUE in hexadecimal: the instructions whose bits under MASK are VALUE. Prints a line for each when the program
   ends. Of QEMU's plugin interface, version 1, only what is used is declared here. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*translated)(plugin_id, struct qemu_plugin_tb *);
typedef void (*ended)(plugin_id, void *);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, translated);
void qemu_plugin_register_atexit_cb(plugin_id, ended, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, int add, void *counter, uint64_t by);

EXPORTED int qemu_plugin_version = 1;

#define MOST_KINDS 16
static struct {
  char name[32];
  uint32_t mask, value;
  uint64_t count;
} kinds[MOST_KINDS];
static int kinds_len;
static uint64_t all;

static void block(plugin_id id, struct qemu_plugin_tb *tb) {
  size_t len = qemu_plugin_tb_n_insns(tb);
  for (size_t i = 0; i < len; i++) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
    uint32_t bits;
    memcpy(&bits, qemu_plugin_insn_data(insn), sizeof bits);
    qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, &all, 1);
    for (int k = 0; k < kinds_len; k++) {
      if ((bits & kinds[k].mask) == kinds[k].value) {
        qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, &kinds[k].count, 1);
      }
    }
  }
}

static void print(plugin_id id, void *data) {
  fprintf(stderr, "instructions all %" PRIu64 "\n", all);
  for (int k = 0; k < kinds_len; k++) {
    fprintf(stderr, "instructions %s %" PRIu64 "\n", kinds[k].name, kinds[k].count);
  }
}

EXPORTED int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
  for (int k = 0; k < argc && k < MOST_KINDS; k++) {
    if (sscanf(argv[k], "%31[^=]=%" SCNx32 "/%" SCNx32, kinds[k].name, &kinds[k].mask, &kinds[k].value) != 3) {
      fprintf(stderr, "no kind of instruction: %s\n", argv[k]);
      return 1;
    }
    kinds_len++;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, block);
  qemu_plugin_register_atexit_cb(id, print, NULL);
  return 0;
}
