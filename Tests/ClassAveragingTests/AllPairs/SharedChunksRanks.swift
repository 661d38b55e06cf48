import Foundation
import MPI
import TestSupport
import Testing

@testable import ClassAveraging

/// Two ranks share chunks, in every pair of ranks that there is.
@Suite(.serialized, .timeLimit(.minutes(1)), .onSeveralRanks)
struct SharedChunksRanks {
  private static let count = 40

  /// The chunks of both ranks of this rank's pair, the keeper's first; nil on a rank without a partner.
  /// - Parameter take: what a rank does with its part; returns its chunks.
  private func chunks(
    count: Int = Self.count, _ take: (SharedChunks, Communicator) throws -> [Int]
  ) throws -> [[Int]]? {
    let world = try testWorld()
    let pair = try world.split(colour: world.rank / 2, key: world.rank)
    guard pair.size == 2 else { return nil }
    let shared = try SharedChunks(count: count, with: 1 - pair.rank, on: pair)
    let own = try take(shared, pair)
    #expect(!shared.mustAnswer)
    let all = try pair.allgatherRagged(own)
    let lengths = try pair.allgather([own.count])
    return [Array(all.prefix(lengths[0])), Array(all.dropFirst(lengths[0]))]
  }

  private func takeAll(_ shared: SharedChunks, each: () -> Void = {}) throws -> [Int] {
    var own: [Int] = []
    while let chunk = try shared.next() {
      own.append(chunk)
      each()
    }
    try shared.finish()
    return own
  }

  /// From both ends until they meet, and nothing twice.
  private func expectAll(_ chunks: [[Int]]?) {
    guard let chunks else { return }
    #expect(chunks[0] == Array(0..<chunks[0].count))
    #expect(chunks[1] == Array((chunks[0].count..<Self.count).reversed()))
  }

  @Test(arguments: 0..<4) func eachChunkOnce(seed: Int) throws {
    expectAll(
      try chunks { shared, pair in
        var pauses = randomNumbers(Self.count, seed: UInt64(2 * seed + pair.rank))[...]
        return try takeAll(shared) { usleep(UInt32(abs(pauses.removeFirst()) * 1000)) }
      })
  }

  @Test func aKeeperThatIsBusyLeavesAllToTheOther() throws {
    let found = try chunks { shared, pair in
      while shared.mustAnswer { try shared.answerIfAsked() }
      return try takeAll(shared)
    }
    expectAll(found)
    if let found { #expect(found[0].isEmpty) }
  }

  @Test func theOtherThatIsBusyGetsItsFirstAtMost() throws {
    let found = try chunks { shared, pair in
      if pair.rank == 0 {
        var own: [Int] = []
        while let chunk = try shared.next() { own.append(chunk) }
        try pair.send([Int64(0)], to: 1, tag: .probe)
        try shared.finish()
        return own
      }
      var token: [Int64] = [0]
      try token.withUnsafeMutableBufferPointer {
        _ = try pair.receive(into: $0, from: 0, tag: .probe)
      }
      return try takeAll(shared)
    }
    expectAll(found)
    if let found { #expect(found[1].count <= 1) }
  }

  /// A rank that stops leaves chunks out, and keeps nobody waiting.
  @Test(arguments: [0, 1]) func stopping(rank: Int) throws {
    let found = try chunks { shared, pair in
      guard pair.rank == rank else { return try takeAll(shared) { usleep(100) } }
      let own = [try shared.next(), try shared.next()].compactMap { $0 }
      try shared.finish()
      return own
    }
    guard let found else { return }
    #expect(found[rank].count <= 2)
    #expect(Set(found[0] + found[1]).count == found[0].count + found[1].count)
  }

  @Test func nothingToShare() throws {
    #expect(try chunks(count: 0) { shared, _ in try takeAll(shared) } ?? [[], []] == [[], []])
  }
}
