// The stub's entries that leave no trace: each is a jump through its slot, so that the function
// behind finds arguments and return address as its caller left them, variadic or not, in every
// build.
#include "ext/preload/stub.h"

#if defined(__x86_64__)

namespace preload = sqlitemem::ext::preload;

extern "C" {
// Zero at first: no relocation, and no page of its own until it is used.
__attribute__((visibility("hidden"))) constinit preload::SlotTable sqlitemem_slots{};

__attribute__((visibility("hidden"), used)) void* sqlitemem_find_target(
    preload::Slot slot, const void* caller, const std::uintptr_t* arguments) {
  return preload::core().find_target(sqlitemem_slots, slot, caller, arguments);
}
}

// Asks where the call goes. r11 has the slot's number. The arguments in registers are kept, as is
// al, which counts the vector registers of a variadic call; no function here takes a double.
asm(R"(
  .text
  .p2align 4
  .type sqlitemem_ask, @function
sqlitemem_ask:
  .cfi_startproc
  pushq %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset %rbp, -16
  movq %rsp, %rbp
  .cfi_def_cfa_register %rbp
  subq $64, %rsp
  movq %rdi, 0(%rsp)
  movq %rsi, 8(%rsp)
  movq %rdx, 16(%rsp)
  movq %rcx, 24(%rsp)
  movq %r8, 32(%rsp)
  movq %r9, 40(%rsp)
  movq %rax, 48(%rsp)
  movq %r11, %rdi
  movq 8(%rbp), %rsi
  movq %rsp, %rdx
  call sqlitemem_find_target
  movq %rax, %r11
  movq 0(%rsp), %rdi
  movq 8(%rsp), %rsi
  movq 16(%rsp), %rdx
  movq 24(%rsp), %rcx
  movq 32(%rsp), %r8
  movq 40(%rsp), %r9
  movq 48(%rsp), %rax
  leave
  .cfi_def_cfa %rsp, 8
  jmp *%r11
  .cfi_endproc
  .size sqlitemem_ask, . - sqlitemem_ask

  .set sqlitemem_slot, 0
  .macro sqlitemem_entry name
  .p2align 4
  .globl \name
  .type \name, @function
\name:
  .cfi_startproc
  endbr64
  movq sqlitemem_slots + 8 * sqlitemem_slot(%rip), %r11
  testq %r11, %r11
  je 1f
  jmp *%r11
1:
  movl $sqlitemem_slot, %r11d
  jmp sqlitemem_ask
  .cfi_endproc
  .size \name, . - \name
  .set sqlitemem_slot, sqlitemem_slot + 1
  .endm
)"
#define SQLITEMEM_SLOT(name) "  sqlitemem_entry sqlite3_" #name "\n"
    SQLITEMEM_SLOTS(SQLITEMEM_SLOT)
#undef SQLITEMEM_SLOT
);

#endif
