// A TCP relay in front of a node or a mirror that simulates latency, by forwarding data half a round trip later, or a
// line with limited bandwidth, and counts traffic. (Not every kernel has netem.)

import { connect, createServer, type Server, type Socket } from "node:net";

/** The traffic of one node. */
export interface Traffic {
    connections: number;
    /** From the engine to the node. */
    bytesUp: number;
    bytesDown: number;
    /**
     * An estimate: the TCP handshake, and each time the engine sends after the node did, which also counts if neither
     * waited for the other.
     */
    roundTrips: number;
}

export const noTraffic = (): Traffic => ({ connections: 0, bytesUp: 0, bytesDown: 0, roundTrips: 0 });

/** Counts one connection. Call the result for each piece of data. */
export function counter(traffic: Traffic): (direction: "up" | "down", bytes: number) => void {
    traffic.connections += 1;
    traffic.roundTrips += 1;
    let last: "up" | "down" = "down";
    return (direction, bytes) => {
        if (direction === "up") traffic.bytesUp += bytes;
        else traffic.bytesDown += bytes;
        if (direction === "up" && last === "down") traffic.roundTrips += 1;
        last = direction;
    };
}

/** Relays in front of many nodes, each with its own port on this machine. */
export class Relay {
    private readonly servers: Server[] = [];
    private readonly sockets = new Set<Socket>();
    private readonly traffic: Traffic[] = [];
    /** When the line has sent everything that it was given. */
    private free = 0;

    /**
     * @param roundTrip in milliseconds
     * @param rate bytes per second of all connections together; a line with a limit has no latency
     */
    constructor(
        private readonly roundTrip: number,
        private readonly rate = Number.POSITIVE_INFINITY,
    ) {}

    /** Returns the port on 127.0.0.1 that is forwarded to the node. */
    async before(host: string, port: number): Promise<number> {
        const number = this.servers.length;
        this.traffic.push(noTraffic());
        const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
            const count = counter(this.traffic[number]!);
            this.keep(near);
            near.pause();
            // The TCP handshake.
            setTimeout(() => {
                const far = connect({ host, port, allowHalfOpen: true, noDelay: true });
                this.keep(far);
                this.pass(near, far, (bytes) => count("up", bytes));
                this.pass(far, near, (bytes) => count("down", bytes));
            }, this.roundTrip);
        });
        this.servers.push(server);
        await new Promise<void>((resolve, reject) => {
            server.once("error", reject);
            server.listen(0, "127.0.0.1", 1024, resolve);
        });
        return (server.address() as { port: number }).port;
    }

    /** The traffic of each node since the last call. */
    take(): Traffic[] {
        const taken = this.traffic.map((traffic) => ({ ...traffic }));
        // In place, because open connections keep their reference.
        for (const traffic of this.traffic) Object.assign(traffic, noTraffic());
        return taken;
    }

    async close(): Promise<void> {
        for (const socket of this.sockets) socket.destroy();
        await Promise.all(this.servers.map((server) => new Promise((resolve) => server.close(resolve))));
    }

    private keep(socket: Socket): void {
        this.sockets.add(socket);
        socket.on("close", () => this.sockets.delete(socket));
    }

    /** What is forwarded later stays in order: timers of equal duration fire in the order of their creation. */
    private pass(from: Socket, to: Socket, count: (bytes: number) => void): void {
        let sent = Promise.resolve();
        const later = (action: () => unknown) => {
            if (this.isLimited) sent = sent.then(async () => void (await action()));
            else setTimeout(action, this.roundTrip / 2);
        };
        from.on("data", (piece: Buffer) => {
            count(piece.length);
            if (this.isLimited) {
                from.pause();
                later(() => this.occupy(piece.length));
                later(() => from.resume());
            }
            later(() => to.writable && to.write(piece));
        });
        from.on("end", () => later(() => to.end()));
        from.on("error", () => later(() => to.destroy()));
        from.on("close", (failed) => failed && later(() => to.destroy()));
        from.resume();
    }

    private get isLimited(): boolean {
        return this.rate < Number.POSITIVE_INFINITY;
    }

    /** Ends when the line has sent so many bytes. */
    private occupy(bytes: number): Promise<void> {
        this.free = Math.max(this.free, performance.now()) + (bytes / this.rate) * 1000;
        return new Promise((resolve) => setTimeout(resolve, this.free - performance.now()));
    }
}
