package farm

// newlyHome reports whether a Provider has come home after a loss and the Site
// has not changed since. Balance leaves it there, else the same loss would move
// it twice. It ends with the next change, or the first restart of every broker
// would end balance for ever.
func (pl *planner) newlyHome(id ProviderID) bool {
	o := pl.p.Owners[id]
	home := o.Value.Home == "" && (o.Value.Reason == ReasonFailback || o.Value.Reason == ReasonStandbyReleased)
	return home && o.Revision > pl.changed
}

// lastChange is when the Site last became another one than by its own moves:
// a broker came online that may own Providers (once its hold-down is over), or a
// broker or a Provider was added, changed or deleted. Of a Provider that was
// deleted the ownership is left; while it names an owner, that is just now.
func (pl *planner) lastChange() (last Revision) {
	for id := range pl.eligible {
		if !pl.held(id) {
			last = max(last, Revision(pl.p.Presence[id].Incarnation))
		}
	}
	for _, b := range pl.p.Brokers {
		last = max(last, b.Revision)
	}
	for _, c := range pl.p.Providers {
		last = max(last, c.Revision)
	}
	for id, o := range pl.p.Owners {
		if _, exists := pl.p.Providers[id]; exists {
			continue
		}
		if o.Value.Broker != "" {
			return pl.p.Revision
		}
		last = max(last, o.Revision)
	}
	return last
}
