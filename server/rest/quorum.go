package rest

import (
	"fmt"
	"net/http"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// electionTime is how long a manager may be without the others before it says so:
// an election takes less.
const electionTime = 2 * time.Second

// mark says of an answer that there may be newer, or that another cluster commands the
// same nodes. A manager that is cut off or behind goes on showing what it knows: that is when people
// most want to see it.
func (a *API) mark(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || a.managers == nil {
		return
	}
	if apart := a.apart(); apart > 0 {
		w.Header().Set(api.StaleHeader, fmt.Sprintf(
			"no quorum: this manager has not reached most of the others for %s, and shows what it knew then", apart.Round(time.Second)))
		return
	}
	if behind := a.behind(); behind > 0 {
		w.Header().Set(api.StaleHeader, fmt.Sprintf(
			"this manager has not been able to follow the database for %s, and shows what it knew then: see its log", behind.Round(time.Second)))
		return
	}
	if splits := a.managers.Splits(); len(splits) > 0 {
		w.Header().Set(api.StaleHeader, splits[0].Message)
	}
}

// quorate refuses a write that could only wait for its time to run out.
func (a *API) quorate() error {
	if apart := a.apart(); apart > 0 {
		return api.Errorf(api.CodeUnavailable,
			"no quorum: this manager has not reached most of the others for %s, and nothing can be changed without them", apart.Round(time.Second))
	}
	if behind := a.behind(); behind > 0 {
		return api.Errorf(api.CodeUnavailable,
			"this manager has not been able to follow the database for %s, and changes nothing by what it knew then: see its log, and ask another manager", behind.Round(time.Second))
	}
	return nil
}

func (a *API) behind() time.Duration {
	follower, can := a.store.(store.Follower)
	if !can {
		return 0
	}
	if behind := follower.Behind(); behind > electionTime {
		return behind
	}
	return 0
}

func (a *API) apart() time.Duration {
	if a.managers == nil {
		return 0
	}
	if apart := a.managers.Apart(); apart > electionTime {
		return apart
	}
	return 0
}
