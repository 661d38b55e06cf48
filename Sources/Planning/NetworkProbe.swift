import MPI

/// Measures what messages between the ranks cost.
struct NetworkProbe {
  let comm: Communicator

  private static let longMessage = 1 << 20
  private static let rounds = 20

  init(_ comm: Communicator) { self.comm = comm }

  /// Latency in seconds and bandwidth in bytes a second of a rank, while every rank sends to the next; nil on
  /// one rank. The same on every rank. Collective.
  func measure() throws -> (latency: Double, bandwidth: Double)? {
    if comm.size == 1 { return nil }
    // The first exchange sets up the connections.
    _ = try ring(floats: Self.longMessage, rounds: 2)
    let short = try ring(floats: 1, rounds: 50 * Self.rounds)
    let long = try ring(floats: Self.longMessage, rounds: Self.rounds)
    return (short, Double(4 * Self.longMessage) / max(long - short, 1e-9))
  }

  /// Seconds of one exchange, of the slowest rank; the median of five series.
  private func ring(floats: Int, rounds: Int) throws -> Double {
    let outgoing = UnsafeMutableBufferPointer<Float>.allocate(capacity: floats)
    let incoming = UnsafeMutableBufferPointer<Float>.allocate(capacity: floats)
    outgoing.initialize(repeating: 1)
    defer {
      outgoing.deallocate()
      incoming.deallocate()
    }
    let times = try (0..<5).map { _ in
      try comm.barrier()
      let start = Communicator.wallTime()
      for _ in 0..<rounds {
        let receiving = try comm.startReceive(
          incoming, from: (comm.rank + comm.size - 1) % comm.size, tag: .probe)
        let sending = try comm.startSend(
          UnsafeBufferPointer(outgoing), to: (comm.rank + 1) % comm.size, tag: .probe)
        try receiving.wait()
        try sending.wait()
      }
      return try comm.allreduce((Communicator.wallTime() - start) / Double(rounds), .maximum)
    }
    return times.sorted()[2]
  }
}
