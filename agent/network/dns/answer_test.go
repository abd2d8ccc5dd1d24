package dns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// forwarded stands for a query that is not orc's to answer.
const forwarded = "forwarded"

func newServer(table Table) *Server {
	none := func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	s := New(func() []netip.AddrPort { return nil }, none, zap.NewNop())
	s.Update(table)
	return s
}

func question(name string, kind uint16) *dns.Msg {
	return new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
}

// ask hands a server a query and returns its reply; nil when it is to be forwarded.
func ask(t *testing.T, s *Server, from netip.Addr, query *dns.Msg, stream bool) *dns.Msg {
	t.Helper()
	packet, err := query.Pack()
	require.NoError(t, err)
	packet, later := s.begin(packet, from, stream)
	if later != nil {
		require.Nil(t, packet)
		s.forwards.leave(from)
		return nil
	}
	reply := new(dns.Msg)
	require.NoError(t, reply.Unpack(packet))
	require.True(t, reply.Response)
	require.Equal(t, query.Id, reply.Id)
	return reply
}

// text is a reply in short: its code if that is not success, and its records' data.
func text(reply *dns.Msg) string {
	if reply == nil {
		return forwarded
	}
	var parts []string
	if reply.Rcode != dns.RcodeSuccess {
		parts = append(parts, dns.RcodeToString[reply.Rcode])
	}
	for _, record := range reply.Answer {
		parts = append(parts, fmt.Sprint(strings.TrimPrefix(record.String(), record.Header().String())))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

func TestQuestionsAreAnsweredFromTheTable(t *testing.T) {
	s := newServer(example)
	for _, c := range []struct {
		from netip.Addr
		name string
		kind uint16
		want string
	}{
		{web, "db", dns.TypeA, "10.0.2.2"},
		{web, "dB.", dns.TypeA, "10.0.2.2"},
		{web, "db", dns.TypeAAAA, ""},
		{web, "db", dns.TypeHTTPS, ""},
		{web, "db", dns.TypeMX, ""},
		{web, "db", dns.TypeANY, "10.0.2.2"},
		{web, "six", dns.TypeA, "10.0.1.8"},
		{web, "six", dns.TypeAAAA, "fd00::8"},
		{web, "six", dns.TypeANY, "10.0.1.8 fd00::8"},
		{web, "tasks.web", dns.TypeA, "10.0.1.10 10.0.1.11"},
		{web, "empty", dns.TypeA, ""},
		{web, "unknown", dns.TypeA, "NXDOMAIN"},
		{web, "unknown", dns.TypeAAAA, "NXDOMAIN"},
		{web, "tasks.unknown", dns.TypeA, "NXDOMAIN"},
		{web, "vault", dns.TypeA, "NXDOMAIN"},
		{web, "com", dns.TypeDS, forwarded}, // a validating resolver in a container
		{web, ".", dns.TypeA, forwarded},
		{web, ".", dns.TypeNS, forwarded},
		{web, "example.com", dns.TypeA, forwarded},
		{web, "unknown.example.com", dns.TypeAAAA, forwarded},
		{web, "tasks.example.com", dns.TypeA, forwarded},
		{web, "localhost", dns.TypeA, "127.0.0.1"},
		{web, "a.localhost", dns.TypeAAAA, "::1"},

		{web, "10.1.0.10.in-addr.arpa", dns.TypePTR, "shop_web.1."},
		{web, "20.2.0.10.in-addr.arpa", dns.TypePTR, "backup.1."},
		{web, "20.2.0.10.in-addr.arpa", dns.TypeTXT, ""},
		{backup, "10.1.0.10.in-addr.arpa", dns.TypePTR, "NXDOMAIN"}, // on a network that it is not on
		{web, "10.3.0.10.in-addr.arpa", dns.TypePTR, "NXDOMAIN"},
		{web, "77.77.0.10.in-addr.arpa", dns.TypePTR, "NXDOMAIN"},
		{web, "8.8.8.8.in-addr.arpa", dns.TypePTR, forwarded},

		{nobody, "db", dns.TypeA, "REFUSED"},
		{nobody, "example.com", dns.TypeA, "REFUSED"},
		{nobody, "10.1.0.10.in-addr.arpa", dns.TypePTR, "REFUSED"},
		{web, "db", dns.TypeAXFR, "REFUSED"},
		{web, "example.com", dns.TypeIXFR, "REFUSED"},
	} {
		reply := ask(t, s, c.from, question(c.name, c.kind), false)
		require.Equal(t, c.want, text(reply), "%s asked for %s %s", c.from, c.name, dns.TypeToString[c.kind])
		if reply == nil {
			continue
		}
		require.Equal(t, question(c.name, c.kind).Question, reply.Question, "the question stays as it was written")
		require.True(t, reply.RecursionAvailable)
		for _, record := range reply.Answer {
			require.LessOrEqual(t, record.Header().Ttl, uint32(5))
			require.Equal(t, dns.Fqdn(c.name), record.Header().Name)
		}
	}
}

func TestATableIsReplacedAtOnce(t *testing.T) {
	s := newServer(example)
	require.Equal(t, "10.0.2.2", text(ask(t, s, web, question("db", dns.TypeA), false)))

	networks := map[string]*Network{"n2": {Names: example.Networks["n2"].Names.With(nil, "shop_db")}}
	s.Update(Table{Askers: example.Askers, Networks: networks})
	require.Equal(t, "NXDOMAIN", text(ask(t, s, web, question("db", dns.TypeA), false)))
	require.Equal(t, "10.0.2.3", text(ask(t, s, backup, question("db.other", dns.TypeA), false)))

	s.Update(Table{})
	require.Equal(t, "REFUSED", text(ask(t, s, web, question("db", dns.TypeA), false)))
}

func TestAddressesComeInEveryOrder(t *testing.T) {
	s := newServer(example)
	first := map[string]int{}
	for range 400 {
		reply := ask(t, s, web, question("tasks.web", dns.TypeA), false)
		require.Len(t, reply.Answer, 2)
		first[reply.Answer[0].(*dns.A).A.String()]++
	}
	require.Greater(t, first["10.0.1.10"], 100)
	require.Greater(t, first["10.0.1.11"], 100)
}

func TestAnswersThatDoNotFitAreCut(t *testing.T) {
	var many []netip.Addr
	for i := range 5000 {
		many = append(many, netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}))
	}
	s := newServer(Table{
		Askers:   example.Askers,
		Networks: map[string]*Network{"n1": {Names: Map[string, []netip.Addr]{}.With(map[string][]netip.Addr{"many": many, "few": many[:70]})}},
	})
	seen := map[string]bool{}
	for _, c := range []struct {
		name      string
		edns      uint16 // its size; 0 means none
		stream    bool
		size      int
		truncated bool
	}{
		{"many", 0, false, 512, true},
		{"many", 100, false, 512, true},
		{"many", 4096, false, 1232, true},
		{"few", 1232, false, 1232, false},
		{"few", 0, false, 512, true},
		{"few", 0, true, 65535, false},
		{"many", 0, true, 65535, false},
	} {
		query := question(c.name, dns.TypeA)
		if c.edns > 0 {
			query.SetEdns0(c.edns, true)
		}
		packet, err := query.Pack()
		require.NoError(t, err)
		packet, _ = s.begin(packet, web, c.stream)
		require.LessOrEqual(t, len(packet), c.size)

		reply := new(dns.Msg)
		require.NoError(t, reply.Unpack(packet))
		require.Equal(t, c.truncated, reply.Truncated, "%+v", c)
		if c.name == "few" && !c.truncated {
			require.Len(t, reply.Answer, 70)
		} else {
			require.Greater(t, len(packet), c.size-32, "what fits is there")
		}
		for _, record := range reply.Answer {
			seen[record.(*dns.A).A.String()] = true
		}
		opt := reply.IsEdns0()
		require.Equal(t, c.edns > 0, opt != nil)
		if opt != nil {
			require.True(t, opt.Do())
			require.EqualValues(t, 1232, opt.UDPSize())
		}
	}
	require.Greater(t, len(seen), 4000, "which addresses are left off is by chance")
}

func TestOddQueriesAreRefused(t *testing.T) {
	s := newServer(example)
	with := func(change func(*dns.Msg)) *dns.Msg {
		query := question("db", dns.TypeA)
		change(query)
		return query
	}
	for name, c := range map[string]struct {
		query *dns.Msg
		want  int
	}{
		"notify":        {with(func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }), dns.RcodeNotImplemented},
		"update":        {with(func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }), dns.RcodeNotImplemented},
		"opcode 9":      {with(func(m *dns.Msg) { m.Opcode = 9 }), dns.RcodeNotImplemented},
		"no question":   {with(func(m *dns.Msg) { m.Question = nil }), dns.RcodeFormatError},
		"two questions": {with(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), dns.RcodeFormatError},
		"chaos":         {with(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), dns.RcodeRefused},
		"any class":     {with(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassANY }), dns.RcodeRefused},
		"two options":   {with(func(m *dns.Msg) { m.SetEdns0(512, false).SetEdns0(512, false) }), dns.RcodeFormatError},
		"EDNS 1":        {with(func(m *dns.Msg) { m.SetEdns0(512, false).IsEdns0().SetVersion(1) }), dns.RcodeBadVers},
	} {
		reply := ask(t, s, web, c.query, false)
		require.Equal(t, c.want, reply.Rcode, name)
		require.Empty(t, reply.Answer, name)
	}
}

func TestMalformedPacketsGetNoAnswer(t *testing.T) {
	s := newServer(example)
	query, err := question("db", dns.TypeA).Pack()
	require.NoError(t, err)
	response, err := new(dns.Msg).SetReply(question("db", dns.TypeA)).Pack()
	require.NoError(t, err)
	for name, packet := range map[string][]byte{"empty": nil, "short": query[:11], "a reply": response} {
		reply, later := s.begin(packet, web, false)
		require.Nil(t, reply, name)
		require.Nil(t, later, name)
	}
	reply, later := s.begin(query[:len(query)-3], web, false) // its header can be read: it is told
	require.Nil(t, later)
	require.Equal(t, dns.RcodeFormatError, int(reply[3]&0xf))
}

func TestOneAskerCannotUseUpWhatOthersNeed(t *testing.T) {
	s := newServer(example)
	packet, err := question("example.com", dns.TypeA).Pack()
	require.NoError(t, err)
	for range maxForwardsEach {
		_, later := s.begin(packet, web, false)
		require.NotNil(t, later)
	}
	reply, later := s.begin(packet, web, false)
	require.Nil(t, later)
	require.Equal(t, dns.RcodeServerFailure, int(reply[3]&0xf))

	_, later = s.begin(packet, backup, false)
	require.NotNil(t, later)
	s.forwards.leave(web)
	_, later = s.begin(packet, web, false)
	require.NotNil(t, later)
}
