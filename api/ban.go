package api

import (
	"maps"
	"time"
)

// clockError is how far the managers' clocks may be apart for a certificate not to
// outlive the ban of it.
const clockError = 24 * time.Hour

// Ban notes that a manager is none any more, for good, and forgets those whose
// certificates have ended meanwhile. Unban notes that it is one again. None of these
// changes what a copy of the cluster shares with its original.
func (c *Cluster) Ban(node string, since time.Time) {
	c.Banned = copied(c.Banned)
	c.BannedTerms = copied(c.BannedTerms)
	ended := since.Add(-c.longestLife() - clockError)
	maps.DeleteFunc(c.Banned, func(_ string, since time.Time) bool { return since.Before(ended) })
	maps.DeleteFunc(c.BannedTerms, func(node string, _ int) bool { return c.Banned[node].IsZero() })
	delete(c.BannedTerms, node)
	c.Banned[node] = since.UTC()
}

// BanTerm is Ban for a node that may become a manager again: it is about the certificates
// that it has got up to a term. One that it gets later says otherwise, whatever the clock
// of who issues it says.
func (c *Cluster) BanTerm(node string, term int, since time.Time) {
	c.Ban(node, since)
	c.BannedTerms[node] = term
}

// Unban undoes Ban.
func (c *Cluster) Unban(node string) {
	c.Banned, c.BannedTerms = copied(c.Banned), copied(c.BannedTerms)
	delete(c.Banned, node)
	delete(c.BannedTerms, node)
}

// copied is a copy that can be written to.
func copied[V any](from map[string]V) map[string]V {
	to := maps.Clone(from)
	if to == nil {
		to = make(map[string]V)
	}
	return to
}

// LeftBehind is a manager that the cluster was forced to go on without. That it was lost,
// a person said; it never agreed, and may be alive.
//
//	left behind ──(its manager shows that it had a quorum later than that)──▶ alive
type LeftBehind struct {
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
	// Alive is when it was found to have had most of the managers of the old cluster with
	// it after Since; zero until then. Two clusters have come of one.
	Alive time.Time `json:"alive,omitzero"`
}

// LeaveBehind bans a manager that did not agree to that, for good: where it is one still,
// its certificate is renewed.
func (c *Cluster) LeaveBehind(node *Node, since time.Time) {
	c.Ban(node.ID, since)
	c.leave(node.ID, LeftBehind{Name: node.Name, Since: since.UTC()})
}

// Outlived notes of a manager that was left behind that it had a quorum later than that.
func (c *Cluster) Outlived(node string, found time.Time) {
	left := c.LeftBehind[node]
	left.Alive = found.UTC()
	c.leave(node, left)
}

func (c *Cluster) leave(node string, left LeftBehind) {
	c.LeftBehind = copied(c.LeftBehind)
	c.LeftBehind[node] = left
}

// Change gives the cluster other settings.
func (c *Cluster) Change(settings Settings) {
	c.LongestLife = Duration(c.longestLife())
	c.Settings = settings
}

// longestLife of a certificate that a node may have.
func (c *Cluster) longestLife() time.Duration {
	life := c.Settings.CertLifetime.Std()
	if life == 0 {
		life = DefaultCertLifetime
	}
	return max(life, c.LongestLife.Std())
}
