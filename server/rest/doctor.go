package rest

import (
	"net/http"
	"slices"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

var doctorRoutes = []Route{
	{Method: "GET", Path: "/v1/doctor", Access: Users, Does: "what every node finds out about itself and its ways to the others; `node=`", handler: (*API).doctor},
}

// clockTolerance is how far a node's clock may be off: logs of several nodes are
// sorted by it, and certificates count from it.
const clockTolerance = time.Second

func (a *API) doctor(w http.ResponseWriter, r *http.Request) error {
	only := r.URL.Query().Get("node")
	nodes, err := a.workers(a.store.Snapshot(), only)
	if err != nil {
		return err
	}
	asked := time.Now()
	answers := gather[wire.Examination](r.Context(), a, gatherTimeout, nodes, same(wire.DoRequest{Examine: true}))
	answered := time.Now()
	findings := []api.Finding{}
	if a.managers != nil {
		findings = append(findings, a.managers.Findings()...)
	}
	findings = slices.DeleteFunc(findings, func(f api.Finding) bool { return only != "" && f.Node != "" && f.Node != nodes[0].ID })
	for _, answer := range answers {
		own := []api.Finding{{Subject: "node", Level: api.LevelProblem, Message: answer.away().Message}}
		if answer.err == nil {
			own = append(answer.value.Findings, examineClock(answer.value.Time, asked, answered))
		}
		for _, finding := range own {
			finding.Node, finding.NodeName = answer.node.ID, answer.node.Name
			findings = append(findings, finding)
		}
	}
	return reply(w, findings)
}

// examineClock compares a node's time with this manager's when it was asked and when
// all had answered.
func examineClock(told, asked, answered time.Time) api.Finding {
	off := time.Duration(0)
	switch {
	case told.Before(asked):
		off = told.Sub(asked)
	case told.After(answered):
		off = told.Sub(answered)
	}
	if off.Abs() <= clockTolerance {
		return api.Finding{Subject: "clock", Level: api.LevelOK, Message: "agrees with this manager's"}
	}
	return api.Finding{
		Subject: "clock", Level: api.LevelWarning,
		Message: "is off by " + off.Round(time.Second).String() + " from this manager's: let both follow the same time server",
	}
}
