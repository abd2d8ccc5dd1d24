package scheduler

import (
	"fmt"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// canRevertTo says whether a service can go to one of its revisions: it is kept, and
// all that it uses is still there. Tasks of one that uses what is gone would wait for
// ever.
func (p *pass) canRevertTo(number int) bool {
	return p.kept(number) != nil && p.lacks(number) == ""
}

func (p *pass) kept(number int) *api.Revision {
	return store.Get[api.Revision](p.snapshot, api.RevisionID(p.id, number))
}

// lacks says what a revision uses that was removed, or "". A volume is not among it:
// nodes make what nobody declared.
func (p *pass) lacks(number int) string {
	revision := p.kept(number)
	if revision == nil {
		return ""
	}
	lacks := func(kind api.Kind, name string) string {
		return fmt.Sprintf("revision %d uses a %s that was removed (%s)", number, kind, name)
	}
	for _, to := range revision.Spec.Networks {
		if to.Network != api.IngressID && store.Get[api.Network](p.snapshot, to.Network) == nil {
			return lacks(api.KindNetwork, api.ShortID(to.Network))
		}
	}
	for _, to := range revision.Spec.Container.Secrets {
		newest := store.Get[api.Secret](p.snapshot, to.ID)
		if (newest == nil || newest.Current != to.Version) && store.Get[api.Secret](p.snapshot, api.RevisionID(to.ID, to.Version)) == nil {
			return lacks(api.KindSecret, to.Source)
		}
	}
	for _, to := range revision.Spec.Container.Configs {
		newest := store.Get[api.Config](p.snapshot, to.ID)
		if (newest == nil || newest.Current != to.Version) && store.Get[api.Config](p.snapshot, api.RevisionID(to.ID, to.Version)) == nil {
			return lacks(api.KindConfig, to.Source)
		}
	}
	return ""
}

// strand pauses a rollout whose way leads to what was removed: no task of it could
// start, and no time would mend that.
func (p *pass) strand(record *api.Rollout) bool {
	why := p.lacks(record.To)
	if why == "" || record.State == api.RolloutRebalancing {
		return false
	}
	goOn := fmt.Sprintf("`orc service update %s` with a spec that does without it goes on", p.service.Name)
	if record.State == api.RolloutRollingBack {
		record.State, record.Message = api.RolloutRollbackPaused, fmt.Sprintf("rollback paused: %s; %s", why, goOn)
	} else {
		record.State, record.Message = api.RolloutPaused, fmt.Sprintf("update paused: %s; %s", why, goOn)
	}
	return true
}

// waysOn says how a paused update goes on: back only where that leads anywhere.
func (p *pass) waysOn(record *api.Rollout) string {
	mend := fmt.Sprintf("`orc service update %s` with what mends it goes on", p.service.Name)
	why := p.lacks(p.service.Previous)
	switch {
	case why == "":
		return fmt.Sprintf("%s, `orc service rollback %s` goes back", mend, p.service.Name)
	case record.From != p.service.Current && p.canRevertTo(record.From):
		return fmt.Sprintf("%s, `orc service rollback --to-revision %d %s` goes back", mend, record.From, p.service.Name)
	}
	return mend + ", and there is no way back: " + why
}
