package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"
)

const (
	headerTime = 5 * time.Second
	bodyTime   = 20 * time.Second
	// A reload of lists with a million entries takes some ten seconds.
	answerTime = 2 * time.Minute
	idleTime   = time.Minute
	// graceTime is how long answers that are under way may take once the daemon is to end.
	graceTime = time.Second

	maxHeader = 16 << 10 // bytes
	maxBody   = 8 << 20  // bytes; the text of a firewall.toml has no reason to be larger
)

// Serve answers on the socket until ctx ends, which is no error. The listener is closed then.
func Serve(ctx context.Context, l net.Listener, b Backend, log *slog.Logger) error {
	return serve(ctx, l, &server{ctx: ctx, backend: b, log: log, gate: newGate(), bodyTime: bodyTime})
}

func serve(ctx context.Context, l net.Listener, s *server) error {
	h := &http.Server{
		Handler:           s.contain(s.admit(http.HandlerFunc(s.route))),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       s.bodyTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withPeer,
	}
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve control socket: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTime)
	defer cancel()
	if err := h.Shutdown(grace); err != nil {
		// Who has not read its answer by now does not get it.
		if err := h.Close(); err != nil {
			s.log.Warn("close control socket", "err", err)
		}
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve control socket: %w", err)
	}
	return nil
}

type server struct {
	ctx      context.Context // of Serve
	backend  Backend
	log      *slog.Logger
	gate     gate
	bodyTime time.Duration
	streams  atomic.Int32
	fetching atomic.Int32
	// only are the patterns that are answered, nil for all.
	only []string
}

type peerKey struct{}

// withPeer notes who connected; an error of asking is judged with the request, where it can be answered.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	p, err := peerOf(c)
	if err != nil {
		return context.WithValue(ctx, peerKey{}, err)
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// admit answers only those who may ask.
func (s *server) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch who := r.Context().Value(peerKey{}).(type) {
		case peer:
			if s.gate.admits(who) {
				next.ServeHTTP(w, r)
				return
			}
			s.log.Warn("control socket: refused", "uid", who.uid, "path", r.URL.Path)
			newProblem(http.StatusForbidden, fmt.Sprintf("user id %d may not ask pfwd: become root, or a member of group %s", who.uid, Group)).write(w)
		case error:
			s.log.Warn("control socket", "err", who)
			newProblem(http.StatusForbidden, who.Error()).write(w)
		default:
			panic(fmt.Sprintf("api: peer %T", who))
		}
	})
}

// contain keeps a panic to the request that caused it: the daemon has a firewall to look after.
func (s *server) contain(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				panic(v) // net/http breaks off the answer
			default:
				s.log.Error("control socket: panic", "panic", fmt.Sprint(v), "path", r.URL.Path, "stack", string(debug.Stack()))
				newProblem(http.StatusInternalServerError, "pfwd made a mistake in answering; its log has the details").write(w)
			}
		}()
		next.ServeHTTP(w, r)
	})
}
