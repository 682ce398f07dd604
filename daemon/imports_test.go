package daemon

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The house's plan says who may import whom; what a package's tests import is not bound by it.

// netlinkLibraries speak to the kernel.
var netlinkLibraries = []string{
	"github.com/google/nftables", "github.com/mdlayher/netlink", "github.com/florianl/go-nflog", "github.com/ti-mo/conntrack",
	"github.com/ti-mo/netfilter", "github.com/vishvananda/netlink", "github.com/vishvananda/netns",
}

// mayUseNetlink are the packages that do, and those that only make test hosts.
var mayUseNetlink = []string{"enforce", "enforce/nflog", "daemon/procs", "e2e/hosts"}

func TestWhoImportsWhom(t *testing.T) {
	imports := productionImports(t)
	if len(imports["daemon"]) == 0 || len(imports["config/policy"]) == 0 {
		t.Fatal("no imports found: this test looks at the wrong place")
	}
	for pkg, list := range imports {
		for _, imported := range list {
			if why := forbidden(pkg, imported); why != "" {
				t.Errorf("%s imports %s: %s", pkg, imported, why)
			}
		}
	}
}

// forbidden says why a package of this module may not import another package; "" where it may.
func forbidden(pkg, imported string) string {
	own, isOwn := strings.CutPrefix(imported, "pfw/")
	inDaemon := func(p string) bool { return strings.HasPrefix(p, "daemon/") }
	switch {
	case pkg == "config/policy" && strings.Contains(imported, "."), pkg == "config/policy" && isOwn:
		return "config/policy stands on the standard library only"
	case !isOwn:
		if slices.ContainsFunc(netlinkLibraries, func(l string) bool { return imported == l || strings.HasPrefix(imported, l+"/") }) &&
			!slices.Contains(mayUseNetlink, pkg) && !strings.HasPrefix(pkg, "e2e/") {
			return "only enforce, enforce/nflog and daemon/procs speak netlink"
		}
	case strings.HasPrefix(own, "cmd/") || strings.HasPrefix(own, "e2e") && !strings.HasPrefix(pkg, "e2e"):
		return "nothing stands on programs and tests"
	case under(pkg, "config") && (under(own, "enforce") || under(own, "daemon")):
		return "config knows neither enforce nor the daemon"
	case under(pkg, "enforce") && (own == "config" || under(own, "daemon")):
		return "enforce knows policies, and neither rule files nor the daemon"
	case inDaemon(pkg) && own != pkg && (inDaemon(own) && own != "daemon/audit" || own == "daemon"):
		return "packages under daemon/ know each other's entries at most; daemon wires them"
	case pkg == "cmd/pfw" && under(own, "daemon") && own != "daemon/api" && own != "daemon/audit" && own != "daemon/lists":
		// daemon/lists is no way to the daemon: it is what pfw does for it, as the daemon does not talk to the net.
		return "pfw talks to the daemon through daemon/api alone"
	case under(pkg, "daemon") && own == "daemon/lists" && pkg != own:
		return "the daemon does not talk to the net"
	case pkg == "cmd/pfwd" && own != "daemon":
		return "main only wires"
	}
	return ""
}

func under(pkg, tree string) bool { return pkg == tree || strings.HasPrefix(pkg, tree+"/") }

// productionImports lists what each package of the module imports outside of tests, by its path within the module.
func productionImports(t *testing.T) map[string][]string {
	t.Helper()
	const root = ".."
	out := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			out[pkg] = append(out[pkg], imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestForbiddenImports(t *testing.T) {
	for _, c := range []struct {
		pkg, imported string
		allowed       bool
	}{
		{"config/policy", "net/netip", true},
		{"config/policy", "golang.org/x/sys/unix", false},
		{"config", "pfw/config/policy", true},
		{"config", "pfw/enforce", false},
		{"enforce", "pfw/config/policy", true},
		{"enforce", "pfw/config", false},
		{"enforce", "github.com/google/nftables/expr", true},
		{"daemon", "github.com/google/nftables", false},
		{"daemon/api", "pfw/daemon/audit", true},
		{"daemon/api", "pfw/daemon/procs", false},
		{"daemon/api", "pfw/daemon", false},
		{"daemon", "pfw/daemon/procs", true},
		{"cmd/pfw", "pfw/daemon/api", true},
		{"cmd/pfw", "pfw/daemon/procs", false},
		{"cmd/pfw", "pfw/daemon/lists", true},
		{"daemon", "pfw/daemon/lists", false},
		{"cmd/pfw", "pfw/enforce", true},
		{"daemon", "pfw/e2e/hosts", false},
	} {
		if why := forbidden(c.pkg, c.imported); (why == "") != c.allowed {
			t.Errorf("%s imports %s: %q, want allowed %t", c.pkg, c.imported, why, c.allowed)
		}
	}
}
