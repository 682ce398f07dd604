package differential

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Whatever the policy is, in a panic nothing passes, and all readings agree that it is the panic that keeps it; after it,
// they agree on what the policy says.
func TestThreeReadingsOfAPanic(t *testing.T) {
	seed := drawn(t)
	n := newNetwork(t, "")
	for i := range 4 {
		r := rand.New(rand.NewPCG(seed+uint64(i), 1))
		a := &author{r: r, wide: n.wide, now: time.Now()}
		d := a.document()
		n.loadable(&d)
		loaded, err := n.load(d.String())
		n.must(err)
		n.must(n.daemon.Reload())
		shots := newShooter(r, n.wide).shots(150)
		_, err = n.daemon.Pfw("panic")
		n.must(err)
		n.must(n.local.ForgetConnections())
		in := &trial{n: n, policy: loaded.Policy.InPanic(), shots: shots}
		for _, f := range in.run(patience) {
			t.Error(f.text)
		}
		_, err = n.daemon.Pfw("panic", "off")
		n.must(err)
		if found := n.judge(d.String(), shots, patience); len(found) > 0 {
			n.report(d, found, seed+uint64(i), len(shots))
		}
		if t.Failed() {
			return
		}
	}
}
