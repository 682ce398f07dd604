// Bench measures pfw against the other firewalls that this machine has: nft by hand, iptables, ipset, ufw, firewalld and
// ulogd. It makes hosts in network namespaces and puts the same rules in force on each, with one program each; floods them
// with packets of its own, in rounds that take turns; and prints tables. Nothing of the machine's own rules is touched, and
// nothing is left.
//
//	go run ./e2e/bench [-run packets,lists,…] [-quick] [-rounds N] [-time D] [-bin DIR]
//
// A number by itself says little, as machines differ and others work on them: what counts is the ratio between two of one
// run, and how noisy it was.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pfw/e2e/hosts"
)

// bench is what to measure and how long.
type bench struct {
	bin            string
	sizes          []int // of rule files
	lists          []int // entries
	n              int   // rounds
	quick, patient bool  // less than usual; also what takes minutes
	time           time.Duration
	out            io.Writer
	wrong          int      // peers that did not work
	absent         []string // peers that were said to be missing

	pfw, firewalld peer
}

// section is a group of measurements that can be asked for by name.
type section struct {
	name string
	run  func(*bench) error
}

var sections = []section{
	{"packets", (*bench).packets},
	{"lists", (*bench).listed},
	{"deltas", (*bench).deltas},
	{"load", (*bench).loads},
	{"log", (*bench).logs},
	{"tcp", (*bench).tcp},
	{"bans", (*bench).bans},
	{"idle", (*bench).idle},
}

func main() {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	run := flag.String("run", strings.Join(names, ","), "what to measure")
	quick := flag.Bool("quick", false, "small sizes and few rounds: a minute, and noisier")
	rounds := flag.Int("rounds", 7, "rounds of each measurement of packets")
	limit := flag.Duration("time", 200*time.Millisecond, "CPU time of a round")
	patient := flag.Bool("patient", false, "also what takes firewalld minutes")
	bin := flag.String("bin", "bin", "`directory` of the pfwd and pfw to measure")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	chosen := strings.Split(*run, ",")
	for _, name := range chosen {
		if !slices.Contains(names, name) {
			fmt.Fprintf(os.Stderr, "bench: no measurement %q; there are %s\n", name, strings.Join(names, ", "))
			os.Exit(2)
		}
	}
	dir, err := scratch()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	code, err := hosts.Isolated(func() int {
		b := &bench{sizes: []int{10, 1_000, 10_000}, lists: []int{100_000, 1_000_000}, quick: *quick, patient: *patient, firewalld: firewalld(*patient), n: max(1, *rounds), time: *limit, out: os.Stdout}
		if *quick {
			b.sizes, b.lists, b.n, b.time = []int{10, 1_000}, []int{100_000}, min(b.n, 3), min(b.time, 50*time.Millisecond)
		}
		var err error
		if b.bin, err = filepath.Abs(*bin); err == nil {
			err = b.measure(chosen)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			return 1
		}
		return min(b.wrong, 1)
	})
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	os.Exit(code)
}

// scratch makes the directory that all files go to. It is made and removed by the process outside of the namespaces, which
// is still there when the one inside is killed.
func scratch() (string, error) {
	const inherited = "PFW_BENCH_DIR"
	if dir, ok := os.LookupEnv(inherited); ok {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "pfw-bench-")
	if err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	return dir, errors.Join(os.Setenv(inherited, dir), os.Setenv("TMPDIR", dir))
}

func (b *bench) measure(chosen []string) error {
	for _, program := range []string{"pfwd", "pfw"} {
		if _, err := os.Stat(filepath.Join(b.bin, program)); err != nil {
			return fmt.Errorf("find programs (make build makes them): %w", err)
		}
	}
	b.pfw = pfw(b.bin)
	restore, err := hide()
	if err != nil {
		return err
	}
	defer restore()
	var kernel unix.Utsname
	if err := unix.Uname(&kernel); err != nil {
		return err
	}
	began := time.Now()
	fmt.Fprintf(b.out, "Linux %s, %d CPUs, %s. Medians of %d rounds.\n", unix.ByteSliceToString(kernel.Release[:]), runtime.NumCPU(), began.UTC().Format("2006-01-02 15:04 UTC"), b.n)
	var errs []error
	for _, s := range sections {
		if slices.Contains(chosen, s.name) {
			if err := s.run(b); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
			}
		}
	}
	fmt.Fprintf(b.out, "\nTook %s.\n", time.Since(began).Round(time.Second))
	return errors.Join(errs...)
}

// hide keeps what other programs write out of the machine's own files, where they cannot be told to write elsewhere.
func hide() (restore func(), err error) {
	if err := os.Setenv("XTABLES_LOCKFILE", filepath.Join(os.TempDir(), "xtables.lock")); err != nil || !asRoot() {
		return func() {}, err
	}
	const dir = "/run/firewalld"
	created := os.Mkdir(dir, 0o755) == nil
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"); err != nil {
		return nil, fmt.Errorf("hide %s: %w", dir, err)
	}
	return func() {
		// An empty directory that is left is no harm.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err == nil && created {
			_ = os.Remove(dir)
		}
	}, nil
}

// failed notes a peer that is here and does not do what it was asked to.
func (b *bench) failed(t *table, err error) {
	b.wrong++
	t.note("failed: %v", err)
	fmt.Fprintln(os.Stderr, "bench:", err)
}
