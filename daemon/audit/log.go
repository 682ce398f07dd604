package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	ringSize     = 1024  // entries that Recent can show
	fileQueue    = 32768 // entries; a tenth of a second at the highest rate that nflog delivers
	journalQueue = 8192  // entries; journald takes about 60,000 a second
	flushTime    = 2 * time.Second
)

// Options is what a Log needs.
type Options struct {
	StateDir string // holds the file seq; must exist
	Sinks    SinkOptions
	Log      *slog.Logger
}

// SinkOptions is what [log] of the rule file says about where entries go.
type SinkOptions struct {
	Journal bool
	File    string // "" is no file
	MaxSize int64  // bytes at which the file is rotated
	Keep    int    // old files that are kept, at most 9999
}

func (o SinkOptions) check() error {
	if o.File != "" && o.MaxSize <= 0 {
		return fmt.Errorf("audit file %s: size %d is not above zero", o.File, o.MaxSize)
	}
	if o.Keep < 0 || o.Keep > maxKeep {
		return fmt.Errorf("audit file %s: cannot keep %d old files, only 0 to %d", o.File, o.Keep, maxKeep)
	}
	return nil
}

// Log takes entries down. Append is for any number of goroutines; Run must be running for anything to reach the sinks.
type Log struct {
	log     *slog.Logger
	seqFile *seqFile
	store   *fileStore
	file    *sink
	journal *sink
	stop    chan struct{} // closed when the sinks are to finish

	mu      sync.Mutex // held for moments only: nothing under it writes, sends or logs
	seq     uint64     // of the newest entry
	closing bool       // Append takes nothing any more
	sealed  bool       // no sequence number is given out any more
	ring    ring
	feed    feed
	counts  counts
	path    string // of the file that entries go to, "" for none
}

// Open reads where the sequence stands and opens the file. A file or a state directory that cannot be written is no error, as the
// firewall must come up with a full disk too: it is logged, shown by Stats and tried again.
func Open(o Options) (*Log, error) {
	if err := o.Sinks.check(); err != nil {
		return nil, err
	}
	seqFile, last, err := openSeq(o.StateDir, o.Sinks.File, o.Log)
	if err != nil {
		return nil, err
	}
	l := &Log{
		log: o.Log, seqFile: seqFile, seq: last, store: newFileStore(openFile),
		stop: make(chan struct{}),
	}
	l.file = newSink(l, "file", l.store, fileQueue)
	l.file.written.seq = last // nothing of this process is written yet, and Replay goes on from there
	l.journal = newSink(l, "journal", newJournalStore(), journalQueue)
	l.journal.digest = newDigest()
	l.journal.on = o.Sinks.Journal
	l.file.on = o.Sinks.File != ""
	l.path = o.Sinks.File
	if l.file.on {
		l.store.retarget(o.Sinks)
		if err := l.store.probe(o.Sinks.File); err != nil {
			l.file.note(err)
		}
	}
	return l, nil
}

// Append gives e its sequence number and, where it has none, its time, and hands it to the sinks and subscribers. It never blocks
// on any of them. It panics on an entry without a valid event type. Once Run was asked to end, entries are only counted (Stats.Refused).
func (l *Log) Append(e Entry) {
	if !e.EventType.valid() {
		panic("audit: append of " + e.EventType.String())
	}
	if e.Timestamp.IsZero() {
		e.Timestamp = time.Now()
	}
	e.Timestamp = e.Timestamp.UTC()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		l.counts.refused++
		return
	}
	e.Seq = l.nextSeq()
	l.counts.add(&e)
	l.ring.add(&e)
	inFile := l.file.push(&e) && l.file.stats.Err == nil
	if !l.journal.sumUp(&e, inFile) {
		l.journal.push(&e)
	}
	l.feed.add(&e)
}

// nextSeq is called with mu held.
func (l *Log) nextSeq() uint64 {
	l.seq++
	l.seqFile.used(l.seq)
	return l.seq
}

// Run writes what is appended until ctx ends, then finishes: it takes no more entries, waits at most two seconds for the sinks to
// write what they hold, logs what a stalled one could not, and closes every subscription. A writer that hangs in the kernel by
// then is left behind. What must still be logged at shutdown is to be appended before ctx is cancelled.
func (l *Log) Run(ctx context.Context) error {
	var sinks, reserve sync.WaitGroup
	sinks.Go(l.file.run)
	sinks.Go(l.journal.run)
	reserve.Go(func() { l.seqFile.run(l.stop, l.lastSeq) })
	<-ctx.Done()

	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	close(l.stop)
	finished := make(chan struct{})
	go func() { // ends with the sinks, which it only waits for
		sinks.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-time.After(flushTime):
	}

	l.mu.Lock()
	l.sealed = true
	last := l.seq
	l.feed.end()
	unwritten := []*loss{l.file.unwritten(), l.journal.unwritten()}
	l.mu.Unlock()
	for _, u := range unwritten {
		if u.count > 0 {
			l.log.Warn("audit entries not written at the end", "sink", u.reason, "packets", u.count)
		}
	}
	reserve.Wait()
	if err := l.seqFile.write(last); err != nil {
		l.log.Warn("audit sequence skips numbers at the next start", "err", err)
	}
	return nil
}

func (l *Log) lastSeq() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seq
}

// Reconfigure changes where entries go. On an error everything is as it was. Entries that wait are written to the new place, or,
// where a sink is switched off, to the old one first. A file that stays the same is no error where it cannot be written: that is
// told already, and is to keep nobody from another policy.
func (l *Log) Reconfigure(o SinkOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.File != "" && o.File != l.fileName() {
		if err := l.store.probe(o.File); err != nil {
			return err
		}
	}
	if o.File != "" {
		l.store.retarget(o)
	}
	l.mu.Lock()
	l.file.on = o.File != ""
	l.path = o.File
	l.journal.on = o.Journal
	l.mu.Unlock()
	l.file.rouse()
	l.journal.rouse()
	return nil
}

func (l *Log) fileName() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.path
}

var errSlow = errors.New("more entries than could be written in time")
