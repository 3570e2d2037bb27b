# SPDX-License-Identifier: Apache-2.0
# One non-recursive file. Objects mirror the sources under build/$(CONF)/, so configurations never mix;
# adding a source file needs no edit here.

CONF ?= release
B := build/$(CONF)
PREFIX ?= /usr/local
PKG_CONFIG ?= pkg-config

LIBS := libcjson libxxhash nettle yaml-0.1
CC ?= gcc

WARN := -Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wvla \
	-Wwrite-strings -Wpointer-arith -Wundef -Wformat=2 -Wnull-dereference -Wimplicit-fallthrough
# Exactness: no contraction into FMA, no value-changing optimisation, no instruction set beyond the base.
EXACT := -std=c11 -ffp-contract=off -fno-math-errno -fno-trapping-math
OPT_release := -O3 -g
OPT_debug := -O0 -g
OPT_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_tsan := -O1 -g -fsanitize=thread
OPT_cov := -O0 -g --coverage
ifeq ($(OPT_$(CONF)),)
$(error unknown CONF '$(CONF)': release, debug, asan, tsan or cov)
endif
ifneq ($(WERROR),)
WARN += -Werror
endif

ALL_CPPFLAGS = -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(CPPFLAGS) $(shell $(PKG_CONFIG) --cflags $(LIBS))
ALL_CFLAGS = $(EXACT) $(OPT_$(CONF)) $(WARN) -fno-common -fvisibility=hidden -pthread $(CFLAGS)
ALL_LDFLAGS = $(OPT_$(CONF)) -pthread $(LDFLAGS)
ALL_LDLIBS = $(shell $(PKG_CONFIG) --libs $(LIBS)) -lm $(LDLIBS)

FOLDERS := core kernels formats plan arch quantize card vocab repack gguf convert graft
LIB_SRC := $(foreach d,$(FOLDERS),$(wildcard $(d)/*.c))
CLI_SRC := $(wildcard cli/*.c)
MKSAMPLE_SRC := $(wildcard samples/*.c)
# UNIT="pipe exec" builds and runs those alone.
UNIT ?= *
UNIT_SRC := $(sort $(foreach u,$(UNIT),$(wildcard tests/unit/test_$(u).c)))
FAULT_SRC := $(wildcard tests/fault/*.c)
BENCH_SRC := $(wildcard bench/*.c)

obj = $(patsubst %.c,$(B)/%.o,$(1))
LIB := $(B)/libscion.a
UNIT_BIN := $(patsubst %.c,$(B)/%,$(UNIT_SRC))
FAULT_LIB := $(patsubst %.c,$(B)/%.so,$(FAULT_SRC))
HEADERS := $(foreach d,$(FOLDERS) cli samples,$(wildcard $(d)/*.h))

# One short line for each step; V=1 prints whole commands.
ifeq ($(V),)
Q := @
say = @echo '  $(1)  $@'
else
Q :=
say =
endif

.PHONY: all check check-unit check-quick check-peers lint hdr-check bench bench-kern bench-quantize bench-repack man install clean help FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(B)/scion $(B)/mksample ## the program and the sample maker (build/scion, build/mksample)
ifeq ($(CONF),release)
all: build/scion build/mksample
build/scion: $(B)/scion
	@ln -sf $(CONF)/scion $@
build/mksample: $(B)/mksample
	@ln -sf $(CONF)/mksample $@
endif

$(B)/scion: $(call obj,$(CLI_SRC)) $(LIB)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS)
$(B)/mksample: $(call obj,$(MKSAMPLE_SRC)) $(LIB)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS)
$(LIB): $(call obj,$(LIB_SRC))
	@rm -f $@
	@$(AR) rcs $@ $^

# The flags are a file that every object depends on and that changes only when they do.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS)' > $@
FORCE:

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
# The assembler puts this file in, so the compiler's list does not name it.
$(B)/quantize/recipe_text.o: quantize/recipes.txt

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(LIB)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs cmocka) $(ALL_LDLIBS)
$(B)/tests/fault/%.so: tests/fault/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(EXACT) -O2 -g $(WARN) -fPIC -shared -o $@ $< -ldl -pthread
$(B)/bench/%: $(B)/bench/%.o $(LIB)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS) -ldl

test-programs: $(UNIT_BIN) $(FAULT_LIB)

check: all test-programs ## the whole suite
	tests/run $(B)
check-unit: $(UNIT_BIN) ## the unit tests alone, in any CONF: make CONF=asan check-unit
	@for t in $(UNIT_BIN); do $$t > $(B)/unit.log 2>&1 || { cat $(B)/unit.log; exit 1; }; done
	@echo "$(words $(UNIT_BIN)) unit programs passed ($(CONF))"
check-quick: all test-programs ## what takes under a minute
	tests/run --quick $(B)
check-peers: all ## other programs read what scion writes, and the reverse (needs Python)
	tests/peers/run $(B)
lint: ## layers, libraries, sizes, headers
	tests/lint/run
hdr-check: ## every header compiles alone
	@for h in $(HEADERS); do \
	  $(CC) $(ALL_CPPFLAGS) $(EXACT) $(WARN) -Werror -fsyntax-only -x c $$h -Wno-unused-function || exit 1; done
bench: all ## ratios against cp on this machine
	bench/run $(B)
bench-kern: $(B)/bench/kern ## speed of each type's codec; beside ggml's with GGML=libggml-base.so
	@$< $(if $(GGML),-l $(GGML))
bench-quantize: all ## whole runs of quantize; beside llama-quantize's with LLAMA_QUANTIZE=program
	@bench/quantize $(B) $(LLAMA_QUANTIZE)
bench-repack: all ## experts in another layout against cp of the same folder
	@bench/repack $(B)
man: all ## man pages into build/man
	$(B)/scion help --man build/man
install: all man ## DESTDIR and PREFIX are honoured
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(B)/scion $(DESTDIR)$(PREFIX)/bin/scion
	install -m 644 build/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	$(B)/scion help --completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/scion
clean: ## all that was built
	rm -rf build
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

-include $(shell find $(B) -name '*.d' 2>/dev/null)
