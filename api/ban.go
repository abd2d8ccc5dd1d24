package api

import (
	"maps"
	"time"
)

// clockError is how far the managers' clocks may be apart for a certificate not to
// outlive the ban of it.
const clockError = 24 * time.Hour

// Ban notes that a manager is none any more, and forgets those whose certificates
// have ended meanwhile. Unban notes that it is one again. Neither changes what a copy
// of the cluster shares with its original.
func (c *Cluster) Ban(node string, since time.Time) {
	c.Banned = maps.Clone(c.Banned)
	if c.Banned == nil {
		c.Banned = make(map[string]time.Time)
	}
	ended := since.Add(-c.longestLife() - clockError)
	maps.DeleteFunc(c.Banned, func(_ string, since time.Time) bool { return since.Before(ended) })
	c.Banned[node] = since.UTC()
}

// Unban undoes Ban.
func (c *Cluster) Unban(node string) {
	c.Banned = maps.Clone(c.Banned)
	delete(c.Banned, node)
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
	c.LeftBehind = maps.Clone(c.LeftBehind)
	if c.LeftBehind == nil {
		c.LeftBehind = make(map[string]LeftBehind)
	}
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
