import MPI

/// How two ranks share numbered chunks of work as they go: one takes them from the first on, the other from the
/// last, until they meet. The faster one does more, and neither waits for longer than a chunk takes.
///
/// The rank with the smaller number keeps account. The other one asks it for a chunk before it works on the one
/// that it has, by an empty message; the answer is the chunk's number, or -1 where none is left. The keeper
/// answers whenever it comes by, and until it has said that none is left: the other one asks until then.
final class SharedChunks {
  /// Whether this rank keeps account, and takes the first chunks.
  let isKeeper: Bool
  private let comm: Communicator
  private let partner: Int
  /// What the keeper has not given away.
  private var left: Range<Int>
  /// Whether the other rank has been told that nothing is left.
  private var isOver = false
  private var question: Request?
  private var answer: Request?
  /// The answer under way.
  private let word: UnsafeMutableBufferPointer<Int64>

  /// Both ranks begin; the other one asks for its first chunk already.
  /// - Parameter count: of the chunks; the keeper's counts.
  init(count: Int, with partner: Int, on comm: Communicator) throws {
    self.comm = comm
    self.partner = partner
    isKeeper = comm.rank < partner
    left = 0..<count
    word = .allocate(capacity: 1)
    word.initialize(repeating: -1)
    if isKeeper { try listen() } else { try ask() }
  }

  deinit {
    // After an error a message may be under way still: its memory stays MPI's.
    if answer == nil { word.deallocate() }
  }

  /// Whether the other rank counts on this one to answer.
  var mustAnswer: Bool { isKeeper && !isOver }

  /// Answers the other rank if it has asked, and lets MPI get on; waits for nobody.
  func answerIfAsked() throws {
    if try mustAnswer && question?.test() == true { try reply() }
  }

  /// This rank's next chunk, or nil where none is left. The keeper does not wait, the other rank may.
  func next() throws -> Int? {
    if isKeeper {
      try answerIfAsked()
      return left.popFirst()
    }
    if isOver { return nil }
    try answer.take()?.wait()
    try question.take()?.wait()
    if word[0] < 0 {
      isOver = true
      return nil
    }
    let chunk = Int(word[0])
    try ask()
    return chunk
  }

  /// Leaves out what is left, and waits until the other rank knows, or this one.
  func finish() throws {
    if isKeeper {
      left = 0..<0
      while !isOver {
        try question.take()?.wait()
        try reply()
      }
      try answer.take()?.wait()
    } else {
      while try next() != nil {}
    }
  }

  private func listen() throws {
    question = try comm.startReceive(
      UnsafeMutableBufferPointer<Int64>(start: nil, count: 0), from: partner,
      tag: .chunkQuestion)
  }

  private func ask() throws {
    answer = try comm.startReceive(word, from: partner, tag: .chunkAnswer)
    question = try comm.startSend(
      UnsafeBufferPointer<Int64>(start: nil, count: 0), to: partner, tag: .chunkQuestion)
  }

  /// The keeper answers a question that has come.
  private func reply() throws {
    // The one before has arrived, or there would be no question.
    try answer.take()?.wait()
    let chunk = left.popLast()
    word[0] = Int64(chunk ?? -1)
    answer = try comm.startSend(UnsafeBufferPointer(word), to: partner, tag: .chunkAnswer)
    if chunk == nil {
      isOver = true
      question = nil
    } else {
      try listen()
    }
  }
}
