package rest

import (
	"net/http"
	"slices"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/scheduler"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

// rebalance asks the leader to move tasks, of those services that have any to
// move, and tells which those are. The leader decides anew when it comes to it.
func (a *API) rebalance(w http.ResponseWriter, r *http.Request) error {
	request, err := decode[api.RebalanceRequest](r)
	if err != nil {
		return err
	}
	var answers []api.Rebalance
	decide := func(d *deploy.Draft) error {
		services, err := chosenServices(d.Snapshot(), request.Services)
		if err != nil {
			return err
		}
		answers = []api.Rebalance{}
		planner, now := scheduler.New(d.Snapshot()), time.Now()
		for _, service := range services {
			answer := a.weigh(d.Snapshot(), planner, service, now)
			switch {
			case len(answer.Moves) == 0 && len(request.Services) == 0:
				continue // of all, those that have anything to move
			case len(answer.Moves) > 0:
				err := d.Rebalance(service)
				switch {
				case err != nil && len(request.Services) > 0:
					return err
				case err != nil: // of all, those that can be just now
					answer.Moves, answer.Message = nil, err.Error()
				}
			}
			answers = append(answers, answer)
		}
		return nil
	}
	if request.DryRun {
		if err := rehearse(a.store.Snapshot(), decide); err != nil {
			return err
		}
		return reply(w, answers)
	}
	_, snapshot, err := a.commit(r, decide)
	if err != nil {
		return err
	}
	for i := range answers {
		if service := store.Get[api.Service](snapshot, answers[i].Service.ID); service != nil {
			answers[i].Service = viewService(snapshot, service)
		}
	}
	return reply(w, answers)
}

// chosenServices are the services that references name, each once, or all.
func chosenServices(s *store.Snapshot, refs []string) ([]*api.Service, error) {
	if len(refs) == 0 {
		return list[api.Service](s), nil
	}
	var chosen []*api.Service
	for _, ref := range refs {
		service, err := find[api.Service](s, "service", ref)
		if err != nil {
			return nil, err
		}
		if slices.Contains(chosen, service) {
			return nil, api.Invalidf("service %s is named twice", service.Name)
		}
		chosen = append(chosen, service)
	}
	return chosen, nil
}

// weigh tells what would be moved of a service.
func (a *API) weigh(s *store.Snapshot, planner *scheduler.Planner, service *api.Service, now time.Time) api.Rebalance {
	moves, why := planner.Moves(service.ID, now)
	answer := api.Rebalance{Service: viewService(s, service), Message: why}
	for _, move := range moves {
		answer.Moves = append(answer.Moves, api.TaskMove{
			Task: move.Task.ID, Name: taskName(s, service.Name, move.Task), Reason: move.Reason,
			From: move.From, FromName: nodeName(s, move.From), To: move.To, ToName: nodeName(s, move.To),
		})
	}
	return answer
}
