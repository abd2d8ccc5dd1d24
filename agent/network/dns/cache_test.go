package dns

import (
	"strconv"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
)

func replyWith(rcode int, answer, authority []string) *dns.Msg {
	reply := code(question("example.com", dns.TypeA), rcode)
	for _, text := range answer {
		reply.Answer = append(reply.Answer, record(text))
	}
	for _, text := range authority {
		reply.Ns = append(reply.Ns, record(text))
	}
	return reply
}

func TestRepliesAreKeptAsLongAsTheyAllow(t *testing.T) {
	soa := "com. 900 IN SOA ns.example.com. host.example.com. 1 2 3 4 "
	for name, c := range map[string]struct {
		rcode             int
		answer, authority []string
		want              time.Duration
	}{
		"an answer":              {dns.RcodeSuccess, []string{"example.com. 60 IN A 192.0.2.1"}, nil, time.Minute},
		"the shortest of all":    {dns.RcodeSuccess, []string{"example.com. 60 IN CNAME a.example.com.", "a.example.com. 5 IN A 192.0.2.1"}, []string{"example.com. 9 IN NS ns.example.com."}, 5 * time.Second},
		"not to be kept":         {dns.RcodeSuccess, []string{"example.com. 0 IN A 192.0.2.1"}, nil, 0},
		"a week":                 {dns.RcodeSuccess, []string{"example.com. 604800 IN A 192.0.2.1"}, nil, maxAge},
		"no such name":           {dns.RcodeNameError, nil, []string{soa + "30"}, 30 * time.Second},
		"no such name for hours": {dns.RcodeNameError, nil, []string{soa + "86400"}, maxNegativeAge},
		"its SOA is short":       {dns.RcodeNameError, nil, []string{"com. 7 IN SOA ns.example.com. host.example.com. 1 2 3 4 30"}, 7 * time.Second},
		"nothing of the type":    {dns.RcodeSuccess, nil, []string{soa + "30"}, 30 * time.Second},
		"nothing behind a name":  {dns.RcodeSuccess, []string{"example.com. 60 IN CNAME a.example.com."}, []string{soa + "30"}, 30 * time.Second},
		"nothing, nobody's word": {dns.RcodeSuccess, nil, nil, 0},
		"no name, nobody's word": {dns.RcodeNameError, nil, nil, 0},
		"a failure":              {dns.RcodeServerFailure, nil, []string{soa + "30"}, 0},
	} {
		reply := replyWith(c.rcode, c.answer, c.authority).SetEdns0(1232, true) // whose TTL is none
		require.Equal(t, c.want, ageOf(reply), name)
		reply.Truncated = true
		require.Zero(t, ageOf(reply), name)
	}
}

func TestACachedReplyAgesAndEnds(t *testing.T) {
	var c cache
	now := time.Unix(1e9, 0)
	c.put("k", replyWith(dns.RcodeSuccess, []string{"example.com. 60 IN A 192.0.2.1", "example.com. 90 IN A 192.0.2.2"}, nil), now)
	for _, step := range []struct {
		after time.Duration
		want  uint32
	}{
		{0, 60},
		{time.Millisecond, 59}, // never more than is left
		{10 * time.Second, 50},
		{59900 * time.Millisecond, 0},
	} {
		reply := c.get("k", now.Add(step.after))
		require.NotNil(t, reply)
		require.Equal(t, step.want, reply.Answer[0].Header().Ttl)
		require.Equal(t, step.want+30, reply.Answer[1].Header().Ttl)
	}
	require.Nil(t, c.get("k", now.Add(time.Minute)))
	require.Nil(t, c.get("other", now))
}

func TestACacheIsBoundedAndKeepsWhatIsAskedFor(t *testing.T) {
	var c cache
	now := time.Unix(1e9, 0)
	reply := replyWith(dns.RcodeSuccess, []string{"example.com. 600 IN A 192.0.2.1"}, nil)
	c.put("used", reply, now)
	c.put("unused", reply, now)
	for i := range 3 * maxCached {
		c.put(strconv.Itoa(i), reply, now)
		require.NotNil(t, c.get("used", now))
	}
	require.Nil(t, c.get("unused", now))
	require.LessOrEqual(t, len(c.young)+len(c.old), 2*maxCached)

	long := replyWith(dns.RcodeSuccess, nil, nil)
	for i := range 400 {
		long.Answer = append(long.Answer, record("example.com. 600 IN A 192.0.2."+strconv.Itoa(i%256)))
	}
	c.put("long", long, now)
	require.Nil(t, c.get("long", now))
}
