package api

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestABanLastsAsLongAsTheLongestCertificate(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	c := &Cluster{}
	c.Ban("n1", now)
	original := *c
	c.Ban("n2", now.Add(90*day))
	require.Len(t, c.Banned, 2, "the clocks may differ")
	c.Ban("n3", now.Add(92*day))
	require.NotContains(t, c.Banned, "n1")
	require.Len(t, c.Banned, 2)
	require.Len(t, original.Banned, 1, "it keeps its own")
	c.Unban("n2")
	require.Equal(t, map[string]time.Time{"n3": now.Add(92 * day)}, c.Banned)

	// Certificates of before outlive a shorter lifetime.
	c.Change(Settings{CertLifetime: Duration(365 * day)})
	c.Change(Settings{CertLifetime: Duration(day)})
	c.Ban("n4", now.Add((92+365)*day))
	require.Contains(t, c.Banned, "n3")
	c.Ban("n5", now.Add((92+367)*day))
	require.NotContains(t, c.Banned, "n3")
}

func TestABanIsForGoodUnlessTheNodeIsAWorkerNow(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	c := &Cluster{}
	c.BanTerm("n1", 3, now)
	original := *c
	require.Equal(t, map[string]int{"n1": 3}, c.BannedTerms)
	c.Ban("n1", now)
	require.Empty(t, c.BannedTerms)
	require.Contains(t, c.Banned, "n1")
	c.BanTerm("n1", 4, now)
	c.Unban("n1")
	require.Empty(t, c.Banned)
	require.Empty(t, c.BannedTerms)
	require.Equal(t, map[string]int{"n1": 3}, original.BannedTerms, "it keeps its own")

	c.BanTerm("n1", 0, now)
	c.Ban("n2", now.Add(366*24*time.Hour))
	require.Empty(t, c.BannedTerms, "it has ended with the certificates")
}
