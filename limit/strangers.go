package limit

import (
	"net/http"
	"net/netip"
	"time"
)

// Verdict is why a stranger's request is not answered; empty if it is.
type Verdict string

// The verdicts.
const (
	TooMany     Verdict = "too many requests from this address or from all: try again in some seconds"
	TooManyFail Verdict = "too many wrong join tokens from this address: try again in a minute"
)

// Strangers bounds what those can ask that known does not know. A request that is
// answered with 401 costs its source more than others. refuse answers what is too
// much.
func (g *Gate) Strangers(next http.Handler, known func(*http.Request) bool, refuse func(http.ResponseWriter, Verdict)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if known(r) {
			next.ServeHTTP(w, r)
			return
		}
		from, verdict := g.begin(r.RemoteAddr)
		if verdict != "" {
			refuse(w, verdict)
			return
		}
		defer g.finish(from)
		g.Bound(w, r)
		answer := &watched{ResponseWriter: w}
		next.ServeHTTP(answer, r)
		if answer.status == http.StatusUnauthorized {
			from.failures.Allow()
		}
	})
}

// Bound bounds a request's body, in bytes and in time.
func (g *Gate) Bound(w http.ResponseWriter, r *http.Request) {
	// Without deadlines, as in tests of handlers, there is no slow client either.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(g.limits.BodyTimeout))
	r.Body = http.MaxBytesReader(w, r.Body, g.limits.BodyLimit)
}

// begin lets one more request of the address be answered, or says why not.
func (g *Gate) begin(address string) (*account, Verdict) {
	var from netip.Addr
	if parsed, err := netip.ParseAddrPort(address); err == nil {
		from = parsed.Addr()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	source, site := g.accounts(from)
	switch {
	case source.failures.Tokens() < 1:
		return nil, TooManyFail
	case source.requests >= g.limits.AtOnce, !source.tokens.Allow(), !site.tokens.Allow(), !g.all.Allow():
		return nil, TooMany
	}
	source.requests++
	return source, ""
}

func (g *Gate) finish(from *account) {
	g.mu.Lock()
	defer g.mu.Unlock()
	from.requests--
}

// watched notes the status of an answer.
type watched struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *watched) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
