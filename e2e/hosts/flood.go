package hosts

import (
	"sync"
	"sync/atomic"
	"time"
)

// Flood is a stream of packets from an injector, paced and bounded.
type Flood struct {
	sent atomic.Int64
	stop chan struct{}
	done sync.WaitGroup
	err  error // read after done
}

// Flood sends the packets over and over, so many a second, until End is called
// or count are sent. The injector belongs to the flood until then.
func (in *Injector) Flood(packets [][]byte, perSecond, count int) *Flood {
	f := &Flood{stop: make(chan struct{})}
	f.done.Go(func() {
		began := time.Now()
		for i := range count {
			if i%32 == 0 {
				ahead := time.Duration(i)*time.Second/time.Duration(perSecond) - time.Since(began)
				select {
				case <-f.stop:
					return
				case <-time.After(max(0, ahead)):
				}
			}
			if f.err = in.Send(packets[i%len(packets)]); f.err != nil {
				return
			}
			f.sent.Add(1)
		}
	})
	return f
}

// Sent is how many packets went out so far.
func (f *Flood) Sent() int { return int(f.sent.Load()) }

// Wait waits until all are sent.
func (f *Flood) Wait() error {
	f.done.Wait()
	return f.err
}

// End stops the flood where it is.
func (f *Flood) End() error {
	close(f.stop)
	return f.Wait()
}
