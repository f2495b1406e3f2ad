#!/usr/bin/env python3
"""Checks the manifests in config/deploy/kubernetes without a cluster:

    .ci/kubernetes.py [BINARY]    # default: target/release/registrar

Every file is read by a kustomization. All that one object says of another is there: labels, ports, volumes, keys of
ConfigMaps, and the Secret that the manual creates. No pod may do more than it needs. `registrar check` accepts the
configuration with the environment and the folders of the pod. pip installs PyYAML into a temporary folder if it is
missing.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parent.parent
folder = root / "config/deploy/kubernetes"


def with_yaml():
    """Runs this script again in a virtual environment that has PyYAML."""
    with tempfile.TemporaryDirectory() as place:
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run([f"{place}/bin/pip", "--quiet", "install", "pyyaml==6.0.3"], check=True)
        sys.exit(subprocess.run([f"{place}/bin/python", *sys.argv]).returncode)


try:
    import yaml
except ImportError:
    with_yaml()

faults = []
seen = set()


def expect(truth, fault):
    if not truth:
        faults.append(fault)


def documents(path):
    seen.add(path)
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


# What this script understands of a kustomization. Another key could change the objects behind its back.
KEYS = {"apiVersion", "kind", "resources", "components", "configMapGenerator", "generatorOptions"}


def built(place):
    """Returns the objects of a kustomization, as `kubectl kustomize` does, and the files of its ConfigMaps."""
    (kustomization,) = documents(place / "kustomization.yaml")
    expect(set(kustomization) <= KEYS, f"{place.name}: this check does not know {set(kustomization) - KEYS}")
    objects, files = [], {}
    for name in kustomization.get("resources", []) + kustomization.get("components", []):
        if (place / name).is_dir():
            more, inherited = built((place / name).resolve())
            objects += more
            files.update(inherited)
        else:
            objects += documents(place / name)
    options = kustomization.get("generatorOptions", {})
    for generator in kustomization.get("configMapGenerator", []):
        name = generator["name"]
        expect((generator.get("behavior") == "replace") == (name in files), f"{place.name}: {name} is generated twice")
        expect(options.get("disableNameSuffixHash"), f"{place.name}: a changed {name} would restart the pods")
        files[name] = {(place / file).name: place / file for file in generator["files"]}
        seen.update(files[name].values())
    return objects, files


def selects(selector, labels):
    return bool(selector) and selector.items() <= labels.items()


class Overlay:
    """The objects that one command applies."""

    def __init__(self, name):
        self.name = name
        self.objects, self.files = built(folder / name)
        names = [(thing["kind"], thing["metadata"]["name"]) for thing in self.objects]
        self.expect(len(names) == len(set(names)), f"two objects have one name: {names}")
        workloads = [thing for thing in self.objects if thing["kind"] in ("Deployment", "StatefulSet")]
        self.expect(len(workloads) == 1, "one workload is expected")
        self.workload = workloads[0]
        self.template = self.workload["spec"]["template"]
        self.labels = self.template["metadata"]["labels"]
        self.pod = self.template["spec"]
        (self.container,) = self.pod["containers"]
        self.ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}

    def expect(self, truth, fault):
        expect(truth, f"{self.name}: {fault}")

    def of(self, kind):
        return [thing for thing in self.objects if thing["kind"] == kind]

    def check(self, binary):
        self.references()
        self.volumes()
        self.privileges()
        self.lifetime()
        self.configuration(binary)

    def references(self):
        spec = self.workload["spec"]
        self.expect(selects(spec["selector"]["matchLabels"], self.labels), "the workload does not select its pods")
        services = {service["metadata"]["name"]: service for service in self.of("Service")}
        self.expect(set(services) == {"registrar", "registrar-admin"}, f"the Services are {set(services)}")
        for name, service in services.items():
            self.expect(selects(service["spec"]["selector"], self.labels), f"the Service {name} selects no pod")
            for port in service["spec"]["ports"]:
                self.expect(port["targetPort"] in self.ports, f"no container has the port of the Service {name}")
                is_public = name == "registrar"
                self.expect((port["targetPort"] == "http") == is_public, f"the Service {name} has the wrong port")
        if "serviceName" in spec:
            self.expect(spec["serviceName"] in services, "serviceName names no Service")
        accounts = [account["metadata"]["name"] for account in self.of("ServiceAccount")]
        self.expect(self.pod["serviceAccountName"] in accounts, "the pod names no ServiceAccount")
        for budget in self.of("PodDisruptionBudget"):
            selector = budget["spec"]["selector"]["matchLabels"]
            self.expect(selects(selector, self.labels), "the PodDisruptionBudget selects no pod")
        if spec["replicas"] > 1:
            self.expect(self.of("PodDisruptionBudget"), "several replicas need a PodDisruptionBudget")
            for constraint in self.pod.get("topologySpreadConstraints", []):
                selector = constraint["labelSelector"]["matchLabels"]
                self.expect(selects(selector, self.labels), "a topologySpreadConstraint selects no pod")
        for monitor in self.of("ServiceMonitor"):
            self.monitor(monitor["spec"], services)
        for policy in self.of("NetworkPolicy"):
            self.policy(policy["metadata"]["name"], policy["spec"])

    def monitor(self, spec, services):
        selected = [
            service for service in services.values()
            if selects(spec["selector"]["matchLabels"], service["metadata"]["labels"])
        ]
        self.expect(len(selected) == 1, "the ServiceMonitor must select one Service")
        for service in selected:
            ports = {port["name"] for port in service["spec"]["ports"]}
            self.expect({end["port"] for end in spec["endpoints"]} <= ports, "the ServiceMonitor names no port")
            label = service["metadata"]["labels"].get(spec["jobLabel"])
            self.expect(label == "registrar", "the alerts expect the job registrar")

    def policy(self, name, spec):
        self.expect(selects(spec["podSelector"]["matchLabels"], self.labels), f"the NetworkPolicy {name} selects no pod")
        for rule in spec.get("ingress", []):
            for port in rule["ports"]:
                self.expect(port["port"] in self.ports, f"the NetworkPolicy {name} names no port of the pod")
                self.expect(port["port"] != "admin" or rule.get("from"), "the admin listener is open to everyone")

    def volumes(self):
        volumes = {volume["name"]: volume for volume in self.pod["volumes"]}
        claims = {claim["metadata"]["name"] for claim in self.workload["spec"].get("volumeClaimTemplates", [])}
        mounts = {mount["name"] for mount in self.container["volumeMounts"]}
        self.expect(mounts == set(volumes) | claims, "volumes and mounts differ")
        for volume in volumes.values():
            if "configMap" in volume:
                name = volume["configMap"]["name"]
                self.expect(name in self.files, f"no ConfigMap is called {name}")
        required = [
            (variable["valueFrom"]["secretKeyRef"]["name"], variable["valueFrom"]["secretKeyRef"]["key"])
            for variable in self.container["env"]
            if "valueFrom" in variable and not variable["valueFrom"]["secretKeyRef"].get("optional")
        ]
        for secret in (volume["secret"] for volume in volumes.values() if "secret" in volume):
            required += [(secret["secretName"], item["key"]) for item in secret["items"]]
            # The server rejects a key that others than the group of a file of root can use.
            self.expect(secret["defaultMode"] & 0o037 == 0, f"others can use the Secret {secret['secretName']}")
        manual = (root / "config/deploy/README.md").read_text().replace("\\\n", " ")
        created = {
            (line.split()[4], key)
            for line in re.findall(r"^kubectl create secret generic .*", manual, re.M)
            for key in re.findall(r"--from-(?:file|literal)=(\w+)=", line)
        }
        for secret in required:
            self.expect(secret in created, f"the manual does not create {secret[1]} of the Secret {secret[0]}")

    def privileges(self):
        pod, own = self.pod["securityContext"], self.container["securityContext"]
        user = re.search(r"^USER (\d+):(\d+)$", (root / "config/deploy/Dockerfile").read_text(), re.M)
        self.expect(pod["runAsNonRoot"] is True, "runAsNonRoot is missing")
        found = [pod["runAsUser"], pod["runAsGroup"], pod["fsGroup"]]
        self.expect(found == [int(user[1]), int(user[2]), int(user[2])], "user and group are not those of the image")
        self.expect(pod["seccompProfile"] == {"type": "RuntimeDefault"}, "the seccomp profile is missing")
        self.expect(own["allowPrivilegeEscalation"] is False, "allowPrivilegeEscalation must be false")
        self.expect(own["readOnlyRootFilesystem"] is True, "readOnlyRootFilesystem must be true")
        self.expect(own["capabilities"] == {"drop": ["ALL"]}, "capabilities are not dropped")
        self.expect(self.pod["automountServiceAccountToken"] is False, "the token of the ServiceAccount is mounted")
        for mount in self.container["volumeMounts"]:
            is_written = mount["name"] == "data"
            self.expect(is_written or mount.get("readOnly") is True, f"{mount['name']} can be written")
            self.expect("subPath" not in mount, f"changes of {mount['name']} would not arrive")

    def lifetime(self):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = self.container[probe]["httpGet"]
            path = "/healthz" if probe == "livenessProbe" else "/readyz"
            self.expect(asked == {"path": path, "port": "admin"}, f"the {probe} asks {asked}")
        shutdown = re.search(r"^shutdownMs = (\d+)", (root / "config/registrar.toml").read_text(), re.M)
        pause = self.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        longest = int(shutdown[1]) / 1000 + pause
        self.expect(self.pod["terminationGracePeriodSeconds"] > longest, "a pod is killed before its requests end")
        version = re.search(r'^version = "(.*)"', (root / "Cargo.toml").read_text(), re.M)
        self.expect(self.container["image"] == f"registrar:{version[1]}", "the image is of another version")
        self.expect(self.container["resources"]["limits"].get("memory"), "the memory is not limited")

    def mounted(self, mount, names):
        """Checks that each file below `mount` that the configuration names is there. A missing key would be created."""
        text = self.files["registrar-config"]["registrar.toml"].read_text()
        for file in re.findall(rf'"{mount}/([^"]+)"', text):
            is_created = mount == "/var/lib/registrar"
            self.expect(is_created or file in names, f"the configuration names {mount}/{file}, which is not there")

    def configuration(self, binary):
        """Runs `registrar check` with the environment, the files and the folders of the pod."""
        with tempfile.TemporaryDirectory() as place:
            place = pathlib.Path(place)
            mounts = {mount["name"]: mount["mountPath"] for mount in self.container["volumeMounts"]}
            # The longest path first: it may be below another.
            paths = sorted(mounts.values(), key=len, reverse=True)
            folders = {path: place / str(number) for number, path in enumerate(paths)}

            def mapped(text):
                for path, here in folders.items():
                    text = text.replace(path, str(here))
                return text

            for here in folders.values():
                here.mkdir(mode=0o700)
            for volume in self.pod["volumes"]:
                here = folders[mounts[volume["name"]]]
                for name, file in self.files.get(volume.get("configMap", {}).get("name"), {}).items():
                    (here / name).write_text(mapped(file.read_text()))
                items = volume.get("secret", {}).get("items", [])
                self.mounted(mounts[volume["name"]], {item["path"] for item in items} | set(os.listdir(here)))
                for item in items:
                    secret = here / item["path"]
                    is_authority = item["path"].endswith(".pem")
                    secret.write_text(AUTHORITY.read_text() if is_authority else f"{'A' * 43}=\n")
                    secret.chmod(0o600)
            image = (root / "config/deploy/Dockerfile").read_text()
            environment = dict(word.split("=", 1) for word in image.split() if re.match(r"REGISTRAR_\w+=", word))
            environment |= {each["name"]: each["value"] for each in self.container["env"] if "value" in each}
            environment = {name: mapped(value) for name, value in environment.items()}
            # The ports of the pod may be in use here.
            listens = {"REGISTRAR_SERVER__LISTEN": "http", "REGISTRAR_ADMIN__LISTEN": "admin"}
            for variable, port in listens.items():
                self.expect(environment[variable] == f"0.0.0.0:{self.ports[port]}", f"{variable} is not the port {port}")
                environment[variable] = "127.0.0.1:0"
            arguments = [mapped(argument) for argument in self.container["args"]]
            self.expect(arguments[0] == "serve", "the pod does not serve")
            done = subprocess.run(
                [binary, "check", *arguments[1:]], env=environment, cwd=place, capture_output=True, text=True, timeout=60
            )
            said = done.stdout + done.stderr
            fine = [line for line in done.stdout.splitlines() if ": fine" in line]
            self.expect(done.returncode == 0 and len(fine) == 2, f"registrar check says:\n{said}")


AUTHORITY = root / "examples/config/udap/anchors.pem"


def main():
    binary = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target/release/registrar").resolve()
    overlays = [Overlay(name) for name in ("embedded", "postgresql")]
    monitoring, _ = built(folder / "monitoring")
    for overlay in overlays:
        overlay.objects += monitoring
        overlay.check(binary)
    one, several = overlays
    expect(one.workload["spec"]["replicas"] == 1, "the embedded store has one writer")
    expect(several.workload["spec"]["replicas"] > 1, "PostgreSQL is for several servers")
    unread = {path for path in folder.rglob("*") if path.is_file()} - seen
    expect(not unread, f"no kustomization reads {sorted(map(str, unread))}")
    if faults:
        sys.exit("\n".join(faults))
    count = sum(len(overlay.objects) for overlay in overlays)
    print(f"kubernetes.py: {len(overlays)} overlays with {count} objects are consistent")


main()
