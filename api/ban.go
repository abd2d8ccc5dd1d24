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
