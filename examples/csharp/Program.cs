using System.Collections.Generic;
using Pulumi;
using Pulumi.KataContainers;
using Pulumi.KataContainers.Inputs;

return await Deployment.RunAsync(() =>
{
    var privateKey = new Config().RequireSecret("privateKey");

    var kata = new KataContainers("kata", new KataContainersArgs
    {
        Nodes =
        {
            ["worker-1"] = new NodeArgs { Connection = new ConnectionArgs { Host = "192.0.2.11", PrivateKey = privateKey } },
            ["worker-2"] = new NodeArgs { Connection = new ConnectionArgs { Host = "192.0.2.12", PrivateKey = privateKey } },
        },
        Version = "3.32.0",
        RuntimeClasses =
        {
            ["kata-qemu"] = new RuntimeClassArgs { Settings = { ["hypervisor.qemu.default_memory"] = 1024 } },
        },
    });

    return new Dictionary<string, object?>
    {
        ["runtimeClassNames"] = kata.RuntimeClassNames,
        ["nodeStatuses"] = kata.NodeStatuses,
    };
});
