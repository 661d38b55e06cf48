import MPI

/// A sequence of images that the ranks compute in blocks, in turn, and rank 0 receives in order: no rank
/// ever holds more than one block of its own and one that arrives.
struct ImageStream {
  /// Images in all.
  let count: Int
  /// Floats in an image.
  let pixels: Int
  /// Images in a block.
  let block: Int
  let comm: Communicator
  let observer: any StageObserver

  /// Calls `compute` on every rank once a round, with the images it is to compute (an empty range where
  /// none are left), and `consume` on rank 0 with each block in order. Collective. An error of either
  /// ends all ranks.
  func run(
    consume: (UnsafeBufferPointer<Float>) throws -> Void, compute: (Range<Int>) throws -> [Float]
  ) throws {
    let blocks = (count + block - 1) / block
    func images(_ index: Int) -> Range<Int> {
      min(index * block, count)..<min((index + 1) * block, count)
    }
    for round in 0..<(blocks + comm.size - 1) / comm.size {
      let own = images(round * comm.size + comm.rank)
      let result = try compute(own)
      if comm.isRoot {
        try result.withUnsafeBufferPointer(consume)
        var arriving = [Float](repeating: 0, count: comm.size > 1 ? block * pixels : 0)
        for source in 1..<max(1, comm.size) {
          let length = images(round * comm.size + source).count * pixels
          if length == 0 { continue }
          try arriving.withUnsafeMutableBufferPointer { buffer in
            let part = UnsafeMutableBufferPointer(rebasing: buffer[0..<length])
            _ = try observer.communicating { try comm.receive(into: part, from: source) }
            try consume(UnsafeBufferPointer(part))
          }
        }
      } else if !own.isEmpty {
        try observer.communicating { try comm.send(result, to: 0) }
      }
      observer.stageAdvanced(to: min((round + 1) * comm.size * block, count))
    }
  }
}
