package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/quorate/quorate/farm"
)

// Against returns what of the Change is to be stored when p is what is there:
// what would store the same again, or remove what is not there, is left out,
// and if nothing is left then the events are left out too. A Change that no
// decision can mean is an error.
func (c Change) Against(site farm.SiteID, p *farm.Picture) (Change, error) {
	if err := c.check(site, p); err != nil {
		return Change{}, fmt.Errorf("change of Site %q: %w", site, err)
	}
	if p == nil {
		p = &farm.Picture{}
	}
	if c.DeleteSite {
		return Change{DeleteSite: p.Site.Revision != 0}, nil
	}
	onlyEvents := c.empty()
	if c.PutSite != nil && same(p.Site, *c.PutSite) {
		c.PutSite = nil
	}
	var brokers []farm.Broker
	for _, b := range c.PutBrokers {
		if !same(p.Brokers[b.ID], b) {
			brokers = append(brokers, b)
		}
	}
	c.PutBrokers = brokers
	if p.Brokers[c.DeleteBroker].Revision == 0 {
		c.DeleteBroker = ""
	}
	if c.PutProvider != nil && c.Secret == nil && same(p.Providers[c.PutProvider.ID], *c.PutProvider) {
		c.PutProvider = nil
	}
	if p.Providers[c.DeleteProvider].Revision == 0 {
		c.DeleteProvider = ""
	}
	if c.empty() && !onlyEvents {
		c.Events = nil
	}
	return c, nil
}

// Empty reports whether there is nothing to store.
func (c Change) Empty() bool { return c.empty() && len(c.Events) == 0 }

func (c Change) empty() bool {
	return c.PutSite == nil && !c.DeleteSite && len(c.PutBrokers) == 0 && c.DeleteBroker == "" &&
		c.PutProvider == nil && c.DeleteProvider == ""
}

func (c Change) check(site farm.SiteID, p *farm.Picture) error {
	put := map[farm.BrokerID]bool{c.DeleteBroker: true}
	for _, b := range c.PutBrokers {
		if put[b.ID] {
			return fmt.Errorf("broker %q twice", b.ID)
		}
		put[b.ID] = true
		if err := CheckID(string(b.ID)); err != nil {
			return err
		}
	}
	if c.PutProvider != nil {
		if c.PutProvider.ID == c.DeleteProvider {
			return fmt.Errorf("Provider %q twice", c.DeleteProvider)
		}
		if err := CheckID(string(c.PutProvider.ID)); err != nil {
			return err
		}
	}
	switch {
	case c.PutSite != nil && c.PutSite.ID != site:
		return fmt.Errorf("it puts another Site, %q", c.PutSite.ID)
	case c.Secret != nil && c.PutProvider == nil:
		return errors.New("a secret without its Provider")
	case p == nil && c.PutSite == nil && !c.DeleteSite && !c.Empty():
		return errors.New("there is no such Site")
	}
	return CheckID(string(site))
}

// CheckID refuses what cannot be the name of a Site, broker or Provider.
func CheckID(id string) error {
	if !farm.ValidID(id) {
		return fmt.Errorf("%q is not a name", id)
	}
	return nil
}

func same[T any](stored farm.Stored[T], next T) bool {
	if stored.Revision == 0 {
		return false
	}
	if reflect.DeepEqual(stored.Value, next) {
		return true
	}
	a, errA := json.Marshal(stored.Value)
	b, errB := json.Marshal(next)
	return errA == nil && errB == nil && string(a) == string(b)
}
