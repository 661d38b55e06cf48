import MPI

/// Messages by which one of two ranks lets the other go on.
final class RankTokens {
  private let comm: Communicator
  private let word = UnsafeMutableBufferPointer<Int64>.allocate(capacity: 1)
  private var pending: Request?
  private var sent = 0
  private var received = 0

  /// - Parameter comm: of two ranks, for nothing else.
  init(_ comm: Communicator) {
    self.comm = comm
    word.initialize(repeating: 0)
  }

  func send() throws {
    sent += 1
    try comm.send([Int64(0)], to: 1 - comm.rank, tag: .probe)
  }

  /// Takes the next one, unless it takes too long.
  func receive(seconds: Double) throws {
    if pending == nil { pending = try comm.startReceive(word, from: 1 - comm.rank, tag: .probe) }
    let start = Communicator.wallTime()
    while Communicator.wallTime() - start < seconds {
      if try pending?.test() == true {
        pending = nil
        received += 1
        return
      }
    }
  }

  /// Takes those that are left. Collective.
  func finish() throws {
    let total = try comm.allgather([sent])[1 - comm.rank]
    while received < total { try receive(seconds: 1) }
    word.deallocate()
  }
}
