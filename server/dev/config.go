package dev

import (
	"errors"
	"fmt"
	"time"

	"github.com/quorate/quorate/server/guard"
)

// Config is what a Site for trying things out consists of.
type Config struct {
	Brokers      int                `help:"Active brokers." default:"${dev_brokers}"`
	Standby      int                `help:"Standby brokers." default:"${dev_standby}"`
	Port         int                `help:"Broker i listens on port+i-1 of the loopback." default:"${dev_port}"`
	DataDir      string             `name:"data-dir" help:"Where everything is kept; run again with the same one to go on. Default: a temporary one." placeholder:"DIR"`
	Providers    int                `help:"vSphere simulators, each a Provider." default:"${dev_providers}"`
	Hosts        int                `help:"VMs of each Provider." default:"${dev_hosts}"`
	RestartAfter guard.RestartAfter `name:"restart-after" help:"How long after its death a broker is restarted, or never." default:"${dev_restart_after}"`
	NoGuard      bool               `name:"no-guard" help:"Leave the lease of a broker that died to run out, as when its whole machine dies. By default it is given back at once, as by the guard of quorate serve."`
	LeaseTTL     time.Duration      `name:"lease-ttl" help:"Lease of each broker's presence." default:"${dev_lease_ttl}"`
	HoldDown     time.Duration      `name:"hold-down" help:"How long a lost broker must be back before its Providers go home. Default: the Site's setting, 10s at first." placeholder:"DURATION"`
}

// DefaultConfig is three brokers, a standby and three Providers.
func DefaultConfig() Config {
	return Config{
		Brokers: 3, Standby: 1, Port: 8080, Providers: 3, Hosts: 10,
		RestartAfter: guard.RestartAfter(30 * time.Second), LeaseTTL: 2 * time.Second,
	}
}

// Vars are the defaults as the tags of Config name them.
func (c Config) Vars() map[string]string {
	return map[string]string{
		"dev_brokers":       fmt.Sprint(c.Brokers),
		"dev_standby":       fmt.Sprint(c.Standby),
		"dev_port":          fmt.Sprint(c.Port),
		"dev_providers":     fmt.Sprint(c.Providers),
		"dev_hosts":         fmt.Sprint(c.Hosts),
		"dev_restart_after": c.RestartAfter.String(),
		"dev_lease_ttl":     c.LeaseTTL.String(),
	}
}

// Bounds of what one machine is asked to carry.
const (
	maxBrokers   = 32
	maxProviders = 64
	maxHosts     = 1000
)

// Validate reports everything that is wrong with the settings.
func (c Config) Validate() error {
	var faults []error
	check := func(ok bool, rule string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("  "+rule, args...))
		}
	}
	check(c.Brokers >= 1 && c.Standby >= 0 && c.Brokers+c.Standby <= maxBrokers,
		"--brokers, --standby must be at least 1 and 0, and together at most %d; they are %d and %d", maxBrokers, c.Brokers, c.Standby)
	check(c.Port >= 1 && c.Port+c.Brokers+c.Standby-1 <= 65535, "--port must leave every broker a port from 1 to 65535; it is %d", c.Port)
	check(c.Providers >= 0 && c.Providers <= maxProviders, "--providers must be from 0 to %d; it is %d", maxProviders, c.Providers)
	check(c.Hosts >= 0 && c.Hosts <= maxHosts, "--hosts must be from 0 to %d; it is %d", maxHosts, c.Hosts)
	check(c.LeaseTTL >= time.Second, "--lease-ttl must be at least 1s; it is %v", c.LeaseTTL)
	check(c.HoldDown >= 0, "--hold-down must not be below 0; it is %v", c.HoldDown)
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("these settings cannot be used:\n%w", errors.Join(faults...))
}
