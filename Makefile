# Everything a person or a packager does with the source. `make test` is what CI runs.

PREFIX  ?= /usr
DESTDIR ?=
FUZZTIME ?= 30s
BENCH ?=

VERSION := $(or $(shell git describe --tags --dirty 2>/dev/null),0.1.0)
BIN     := $(DESTDIR)$(PREFIX)/bin
LIB     := $(DESTDIR)$(PREFIX)/lib
SHARE   := $(DESTDIR)$(PREFIX)/share
# For bash, zsh and fish, in this order.
COMPLETIONS := $(SHARE)/bash-completion/completions/pfw $(SHARE)/zsh/site-functions/_pfw $(SHARE)/fish/vendor_completions.d/pfw.fish

# A Go that packaging/bootstrap fetched comes first; on a machine with a new enough Go there is none.
export PATH := $(CURDIR)/.cache/go/bin:$(PATH)
export CGO_ENABLED := 0
# Root building in a person's clone: git would refuse to answer, and the version comes from -ldflags anyway.
export GOFLAGS := -buildvcs=false

UNITS := pfwd.service pfw-lists.service pfw-lists.timer

# What a binary is made of, so that `sudo make install` after `make` builds nothing and needs no Go.
SOURCES := go.mod go.sum $(shell find cmd config daemon enforce -name '*.go' -not -name '*_test.go' 2>/dev/null)
GOFILES  = $(shell find . -name '*.go' -not -path './.cache/*')

.PHONY: build demo test lint fuzz bench vuln install uninstall clean

build: bin/pfwd bin/pfw

bin/%: $(SOURCES)
	@packaging/bootstrap build
	go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/$*

demo:
	@packaging/bootstrap demo
	@$(MAKE) --no-print-directory build
	e2e/demo/run

test: export CI := true
test:
	@packaging/bootstrap test
	@$(MAKE) --no-print-directory lint
	go run ./packaging/strict go test -json -count=1 -timeout 20m ./...

lint:
	@packaging/bootstrap build
	@unformatted=$$(gofmt -l $(GOFILES)); test -z "$$unformatted" || { echo "not as gofmt has it:" $$unformatted; exit 1; }
	go vet ./...
	go tool staticcheck ./...

# Every fuzz target in turn, each for FUZZTIME. `make test` runs their seeds.
fuzz:
	@packaging/bootstrap build
	packaging/fuzz $(FUZZTIME)

# Against the other firewalls that are installed, some ten minutes; BENCH=-quick takes one. Then the parts by themselves.
bench:
	@packaging/bootstrap build
	@$(MAKE) --no-print-directory build
	go run ./e2e/bench $(BENCH)
	go test -run '^$$' -bench . -benchmem ./...

# Known vulnerabilities in what pfw is built from. Needs the vulnerability database on the net, so CI does without.
vuln:
	@packaging/bootstrap build
	go tool govulncheck ./...

# The example is installed beside the documentation always, and as the policy in force only where there is none.
install: build
	install -d $(BIN) $(LIB)/systemd/system $(LIB)/sysusers.d $(LIB)/tmpfiles.d \
		$(SHARE)/man/man1 $(SHARE)/man/man5 $(SHARE)/man/man8 $(SHARE)/pfw $(DESTDIR)/etc/pfw $(dir $(COMPLETIONS))
	install -m 0755 bin/pfwd bin/pfw $(BIN)
	for unit in $(UNITS); do \
		sed 's|/usr/bin/|$(PREFIX)/bin/|' packaging/$$unit >$(LIB)/systemd/system/$$unit && chmod 0644 $(LIB)/systemd/system/$$unit || exit 1; \
	done
	install -m 0644 packaging/pfw.sysusers $(LIB)/sysusers.d/pfw.conf
	install -m 0644 packaging/pfw.tmpfiles $(LIB)/tmpfiles.d/pfw.conf
	install -m 0644 packaging/man/*.1 $(SHARE)/man/man1
	install -m 0644 packaging/man/firewall.toml.5 $(SHARE)/man/man5
	install -m 0644 packaging/man/pfwd.8 $(SHARE)/man/man8
	bin/pfw completion bash >$(word 1,$(COMPLETIONS))
	bin/pfw completion zsh >$(word 2,$(COMPLETIONS))
	bin/pfw completion fish >$(word 3,$(COMPLETIONS))
	chmod 0644 $(COMPLETIONS)
	install -m 0644 firewall.toml $(SHARE)/pfw/firewall.toml
	test -e $(DESTDIR)/etc/pfw/firewall.toml || install -m 0660 firewall.toml $(DESTDIR)/etc/pfw/firewall.toml
ifeq ($(DESTDIR),)
	PREFIX=$(PREFIX) packaging/installed
endif

# Rules, bans and logs stay: /etc/pfw, /var/lib/pfw, /var/log/pfw.
uninstall:
ifeq ($(DESTDIR),)
	if [ -d /run/systemd/system ]; then systemctl disable --now pfwd.service pfw-lists.timer || true; fi
endif
	rm -f $(BIN)/pfwd $(BIN)/pfw $(addprefix $(LIB)/systemd/system/,$(UNITS)) $(LIB)/sysusers.d/pfw.conf $(LIB)/tmpfiles.d/pfw.conf \
		$(SHARE)/man/man1/pfw.1 $(SHARE)/man/man1/pfw-*.1 $(SHARE)/man/man5/firewall.toml.5 $(SHARE)/man/man8/pfwd.8 $(SHARE)/pfw/firewall.toml $(COMPLETIONS)
	-rmdir $(SHARE)/pfw
ifeq ($(DESTDIR),)
	if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
endif

clean:
	rm -rf bin .cache
