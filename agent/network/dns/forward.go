package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"
)

const (
	// patience is how long a name server may be silent before the next one is asked
	// too, and forwardTimeout how long all of them may: an asker waits five seconds
	// (resolv.conf(5)) and should hear that it failed.
	patience       = time.Second
	forwardTimeout = 4 * time.Second
	// maxForwards bounds the queries that wait for an answer from outside, in all
	// and for each asker.
	maxForwards, maxForwardsEach = 1024, 128
)

// forwarder asks other name servers what is not orc's to answer.
type forwarder struct {
	node    func() []netip.AddrPort
	dial    Dial
	servers *upstreams
	cache   cache
	flights singleflight.Group
}

var errNoUpstream = errors.New("there is no name server to ask")

// forward returns the reply for a query, from the cache when it is there. Those who
// ask the same at the same time share one answer.
func (f *forwarder) forward(ctx context.Context, query *dns.Msg, own []netip.AddrPort) (*dns.Msg, error) {
	list := own
	if len(list) == 0 {
		list = f.node()
	}
	asked := outward(query)
	key := keyOf(asked, list)
	if reply := f.cache.get(key, time.Now()); reply != nil {
		return relay(query, reply), nil
	}
	shared, err, _ := f.flights.Do(key, func() (any, error) {
		reply, err := f.race(ctx, asked, f.servers.order(list, time.Now()))
		if err == nil {
			f.cache.put(key, reply, time.Now())
		}
		return reply, err
	})
	if err != nil {
		return nil, err
	}
	return relay(query, shared.(*dns.Msg)), nil
}

// race asks one name server after the other, the next when one has failed or is
// silent, and twice if need be, as packets get lost. The first answer counts, a late
// one too.
func (f *forwarder) race(ctx context.Context, query *dns.Msg, servers []netip.AddrPort) (*dns.Msg, error) {
	tries := slices.Concat(servers, servers)
	outcomes := make(chan outcome, len(tries))
	var asking sync.WaitGroup
	defer asking.Wait()
	racing, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()

	failure := errNoUpstream
	for begun, ended := 0, 0; ended < len(tries); {
		if begun < len(tries) {
			server := tries[begun]
			asking.Go(func() {
				reply, err := f.dial.exchange(racing, server, query)
				outcomes <- outcome{server, reply, err}
			})
			begun++
		}
		select {
		case got := <-outcomes:
			ended++
			if got.err != nil {
				failure = got.err
				f.servers.fail(got.server, time.Now(), got.err)
				continue
			}
			f.servers.answered(got.server)
			if final(got.reply.Rcode) {
				return got.reply, nil
			}
			failure = fmt.Errorf("%s: %s", got.server, dns.RcodeToString[got.reply.Rcode])
		case <-time.After(patience):
			f.servers.late(tries[begun-1], time.Now())
		case <-racing.Done():
			if ctx.Err() == nil {
				for _, server := range tries[:begun] {
					f.servers.fail(server, time.Now(), racing.Err())
				}
			}
			return nil, racing.Err()
		}
	}
	return nil, failure
}

// outcome is what came of asking one name server.
type outcome struct {
	server netip.AddrPort
	reply  *dns.Msg
	err    error
}

// final says whether an answer is one: that a name server cannot or will not answer
// is none, another might.
func final(rcode int) bool { return rcode == dns.RcodeSuccess || rcode == dns.RcodeNameError }

// outward is the query that is sent for another: the same question in the same
// letters, the same wishes, and nothing else of what the asker sent.
func outward(query *dns.Msg) *dns.Msg {
	asked := &dns.Msg{Question: query.Question}
	asked.RecursionDesired = query.RecursionDesired
	asked.CheckingDisabled = query.CheckingDisabled
	asked.AuthenticatedData = query.AuthenticatedData
	opt := query.IsEdns0()
	return asked.SetEdns0(maxUDP, opt != nil && opt.Do())
}

// relay makes the reply to a query from what another name server replied. What
// holds between two neighbours only (RFC 6891, section 6.1.1) is left out.
func relay(query, got *dns.Msg) *dns.Msg {
	reply := replyTo(query)
	reply.Rcode = got.Rcode
	reply.Truncated = got.Truncated
	reply.AuthenticatedData = got.AuthenticatedData
	reply.Answer, reply.Ns = got.Answer, got.Ns
	for _, record := range got.Extra {
		if kind := record.Header().Rrtype; kind != dns.TypeOPT && kind != dns.TypeTSIG && kind != dns.TypeSIG {
			reply.Extra = append(reply.Extra, record)
		}
	}
	return reply
}

// keyOf tells apart what may have different answers: other name servers are another
// view of the world.
func keyOf(asked *dns.Msg, servers []netip.AddrPort) string {
	question := asked.Question[0]
	return fmt.Sprint(strings.ToLower(question.Name), question.Qtype, asked.RecursionDesired, asked.CheckingDisabled,
		asked.AuthenticatedData, asked.IsEdns0().Do(), servers)
}
