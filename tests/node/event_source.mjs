// A browser's EventSource on the URL that is given; prints a line for each thing that happens.
const source = new EventSource(process.argv[2]);
source.addEventListener("connected", () => console.log("connected"));
source.onerror = () => console.log(source.readyState === EventSource.CLOSED ? "closed" : "retrying");
