package containers
import ("context";"encoding/json";"os/exec";"os")
func (c *cluster) tmp(ctx context.Context) {
	out, err := exec.Command("python3","-c",`
import yaml,json
d=yaml.safe_load(open("../compose/settings.yaml"))
print(json.dumps([dict(id=k,**v) for k,v in d["sites"]["hq"]["providers"].items()]))`).Output()
	if err != nil { os.Stderr.WriteString(err.Error()); return }
	var ps []map[string]any
	json.Unmarshal(out,&ps)
	for _, p := range ps { if err := c.api().Do(ctx,"POST","/sites/hq/providers",p,nil); err!=nil {os.Stderr.WriteString(err.Error()+"\n")} }
}
