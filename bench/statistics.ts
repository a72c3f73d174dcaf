// Statistics of several runs, and their output.

export interface Spread {
    min: number;
    median: number;
    max: number;
    runs: number;
}

export function spread(values: number[]): Spread {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length / 2;
    // With an even number of values, the mean of the middle two.
    const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
    return { min: sorted[0]!, median, max: sorted.at(-1)!, runs: sorted.length };
}

/** Collects values by name, in the order of their first value. */
export class Samples {
    private readonly values = new Map<string, number[]>();

    add(name: string, value: number): void {
        this.values.set(name, [...(this.values.get(name) ?? []), value]);
    }

    median(name: string): number {
        return spread(this.values.get(name)!).median;
    }

    spreads(): [name: string, spread: Spread][] {
        return [...this.values].map(([name, values]) => [name, spread(values)]);
    }
}

/** A Markdown table with aligned columns. */
export function table(titles: string[], values: string[][]): string {
    const [head, ...rows] = [titles, ...values].map((cells) => cells.map((cell) => cell.replaceAll("|", "\\|"))) as [
        string[],
        ...string[][],
    ];
    const width = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
    const line = (cells: string[]) =>
        `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(width[i]!) : cell.padStart(width[i]!))).join(" | ")} |`;
    const rule = `|${width.map((w, i) => (i === 0 ? "-".repeat(w + 2) : `${"-".repeat(w + 1)}:`)).join("|")}|`;
    return [line(head), rule, ...rows.map(line)].join("\n");
}

export const seconds = (value: number): string => value.toFixed(2);
export const spreadOf = ({ min, median, max }: Spread): string =>
    `${seconds(median)} (${seconds(min)} to ${seconds(max)})`;
export const kilobytes = (bytes: number): string => (bytes / 1000).toFixed(1);
export const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);
