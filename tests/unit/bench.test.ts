import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { expect } from "chai";
import { counter, noTraffic, Relay } from "../../bench/relay";
import { spread, table } from "../../bench/statistics";

describe("the bench", () => {
    it("computes the spread of odd and even numbers of runs", () => {
        expect(spread([3, 1, 2])).to.deep.equal({ min: 1, median: 2, max: 3, runs: 3 });
        expect(spread([4, 1, 2, 3])).to.deep.equal({ min: 1, median: 2.5, max: 4, runs: 4 });
        expect(spread([7])).to.deep.equal({ min: 7, median: 7, max: 7, runs: 1 });
    });

    it("aligns the columns of a table", () => {
        expect(table(["what", "s"], [["a", "1.00"]])).to.equal("| what |    s |\n|------|-----:|\n| a    | 1.00 |");
    });

    it("counts a round trip when the engine sends data after the node", () => {
        const traffic = noTraffic();
        const count = counter(traffic);
        count("up", 10);
        count("up", 5);
        count("down", 7);
        count("up", 1);
        expect(traffic).to.deep.equal({ connections: 1, bytesUp: 16, bytesDown: 7, roundTrips: 3 });
    });

    it("relays data in both directions, in order and with the delay, and counts it", async () => {
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
});
