import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { kubeletCall } from "../../bench/nodeObjects";
import { addPhases, type Phases } from "../../bench/phases";
import { counter, noTraffic, Relay } from "../../bench/relay";
import { spread, table } from "../../bench/statistics";

describe("the bench", () => {
    it("computes minimum, median and maximum of odd and even numbers of runs", () => {
        expect(spread([3, 1, 2])).to.deep.equal({ min: 1, median: 2, max: 3, runs: 3 });
        expect(spread([4, 1, 2, 3])).to.deep.equal({ min: 1, median: 2.5, max: 4, runs: 4 });
        expect(spread([7])).to.deep.equal({ min: 7, median: 7, max: 7, runs: 1 });
    });

    it("aligns the columns of tables", () => {
        expect(table(["what", "s"], [["a", "1.00"]])).to.equal("| what |    s |\n|------|-----:|\n| a    | 1.00 |");
    });

    it("counts a round trip when the engine sends after the node", () => {
        const traffic = noTraffic();
        const count = counter(traffic);
        count("up", 10);
        count("up", 5);
        count("down", 7);
        count("up", 1);
        expect(traffic).to.deep.equal({ connections: 1, bytesUp: 16, bytesDown: 7, roundTrips: 3 });
    });

    it("relays both directions in order, with latency, and counts traffic", async () => {
        const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(0, "127.0.0.1");
        await once(echo, "listening");
        const relay = new Relay(40);
        const port = await relay.before("127.0.0.1", (echo.address() as AddressInfo).port);

        const began = performance.now();
        const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
        for (const piece of ["one ", "two ", "three"]) socket.write(piece);
        socket.end();
        let received = "";
        for await (const piece of socket) received += piece;
        expect(received).to.equal("one two three");
        expect(performance.now() - began).to.be.above(75);
        expect(relay.take()).to.deep.equal([{ connections: 1, bytesUp: 13, bytesDown: 13, roundTrips: 2 }]);
        expect(relay.take()).to.deep.equal([noTraffic()]);
        await relay.close();
        echo.close();
    });

    it("loses nothing on a line with limited bandwidth that several connections share", async () => {
        const sent = Buffer.from(Array.from({ length: 100_003 }, (_, i) => i % 251));
        const mirror = createServer((socket) => socket.end(sent)).listen(0, "127.0.0.1");
        await once(mirror, "listening");
        const rate = 2_000_000;
        const relay = new Relay(0, rate);
        const port = await relay.before("127.0.0.1", (mirror.address() as AddressInfo).port);
        const receive = async () => {
            const pieces: Buffer[] = [];
            for await (const piece of connect({ port, host: "127.0.0.1" })) pieces.push(piece);
            return Buffer.concat(pieces).equals(sent);
        };
        const began = performance.now();
        expect(await Promise.all([receive(), receive(), receive()])).to.deep.equal([true, true, true]);
        expect((performance.now() - began) / 1000).to.be.above((2 * sent.length) / rate);
        await relay.close();
        mirror.close();
    });

    it("answers for the kubelet of a pod: not before it is scheduled, once when it is, and at last when it is deleted", () => {
        const metadata = { namespace: "ns", name: "pod" };
        const spec = { nodeName: "object-1", containers: [{ name: "keep", image: "busybox:lab" }] };
        const ready = (status: string) => ({ conditions: [{ type: "Ready", status }] });
        expect(kubeletCall({ metadata, spec: { ...spec, nodeName: undefined }, status: {} })).to.equal(undefined);
        for (const status of [{}, ready("False")]) {
            const call = kubeletCall({ metadata, spec, status });
            expect(call).to.include({ method: "PATCH", path: "/api/v1/namespaces/ns/pods/pod/status" });
            expect(JSON.stringify(call)).to.contain('{"type":"Ready","status":"True"}').and.contain('"name":"keep"');
        }
        expect(kubeletCall({ metadata, spec, status: ready("True") })).to.equal(undefined);
        const deleted = { ...metadata, deletionTimestamp: "2026-11-27T12:00:00Z" };
        expect(kubeletCall({ metadata: deleted, spec, status: ready("True") })).to.deep.equal({
            method: "DELETE",
            path: "/api/v1/namespaces/ns/pods/pod?gracePeriodSeconds=0",
        });
    });

    it("adds up the phases of the node program from the marks in its output", () => {
        const output = [
            "@ 101 enter program transfer",
            "@ 103 enter configure",
            "writing /etc/containerd/config.toml",
            "@ 106 begin restart",
            "@ 110 end",
            "@ 115 enter health gate",
            "@ 121 enter configure",
        ].join("\n");
        const took: Phases = { configure: 1000 };
        addPhases(took, output, 100, 128);
        expect(took).to.deep.equal({
            connect: 1,
            "program transfer": 2,
            configure: 1000 + 3 + 5,
            restart: 4,
            "health gate": 6,
            report: 7,
        });
    });

    it("marks the phases of the node program past pipes and redirections, and keeps the status of timed commands", () => {
        const script = `
            . ${join(__dirname, "../../bench/timings.sh")}
            step owner
            step "containerd configuration"
            step "health before"
            { unprivileged tar tar --version; } 2>/dev/null | cat >/dev/null
            unprivileged tar tar -xf missing 2>/dev/null || echo "tar failed"
            unprivileged x true 2>/dev/null
            sleep 0.1
            timeout 5 sh -c 'exit 3' systemctl restart x || echo "restart: $?"
            timeout 5 true systemctl restart x
            say "containerd is healthy"
            say "another line"
            rm -rf /var/lib/kata-containers-node/work`;
        for (const shell of [["dash"], ["bash", "--posix"], ["busybox", "sh"]] as [string, ...string[]][]) {
            const output = execFileSync(shell[0], [...shell.slice(1), "-c", script], {
                cwd: join(__dirname, "../../bench"),
                encoding: "utf8",
            });
            const timeless = output.trim().replace(/^@ \d+\.\d+ /gm, "@ 1 ");
            expect(timeless.split("\n"), shell[0]).to.deep.equal([
                "@ 1 enter probe the node",
                "@ 1 enter configure",
                "@ 1 enter health gate",
                "@ 1 begin download, checksum, unpack",
                "@ 1 end",
                "@ 1 begin download, checksum, unpack",
                "@ 1 end",
                "tar failed",
                "@ 1 begin wait",
                "@ 1 end",
                "@ 1 begin restart",
                "@ 1 end",
                "restart: 3",
                "@ 1 begin restart",
                "@ 1 end",
                "@ 1 enter health gate",
                "@ 1 enter configure",
                "containerd is healthy",
                "another line",
                "@ 1 enter report",
            ]);
        }
    });
});
