package main

import (
	"context"
	"fmt"

	"github.com/quorate/quorate/server/doctor"
)

type doctorCommand struct {
	doctor.Config `embed:""`

	JSON  bool `name:"json" help:"Print the findings as JSON."`
	Quiet bool `env:"-" help:"Leave out what is ok."`
}

func (c *doctorCommand) Run(ctx context.Context, to streams) error {
	report := doctor.Examine(ctx, c.Config, version)
	if c.Quiet {
		report = report.Troubles()
	}
	write := report.Text
	if c.JSON {
		write = report.JSON
	}
	if err := write(to.out); err != nil {
		return err
	}
	if report.Failures > 0 {
		return fmt.Errorf("%d of %d checks failed", report.Failures, report.OK+report.Warnings+report.Failures)
	}
	return nil
}
