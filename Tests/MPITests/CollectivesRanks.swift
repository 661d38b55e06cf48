import Foundation
import TestSupport
import Testing

@testable import MPI

/// What each collective has to give is written down from the rank numbers alone.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct CollectivesRanks {
  /// What rank r holds: r elements, rank 1 none but where it is alone with others; longer than one
  /// network packet in the largest.
  private func block(_ rank: Int) -> [Int32] {
    let lengths = [3, 0, 5000, 1]
    return (0..<lengths[rank % 4]).map { Int32(1000 * rank + $0 % 1000) }
  }

  @Test func reductions() throws {
    let world = try testWorld()
    var sums = [Double(world.rank), 1, -2 * Double(world.rank)]
    try world.allreduce(&sums)
    let triangle = Double(world.size * (world.size - 1) / 2)
    #expect(sums == [triangle, Double(world.size), -2 * triangle])
    let largest = try world.allreduce(Float(world.rank) * 1.5, .maximum)
    #expect(largest == Float(world.size - 1) * 1.5)
    let smallest = try world.allreduce(Int64(7 - world.rank), .minimum)
    #expect(smallest == Int64(8 - world.size))
    var none: [Int] = []
    try world.allreduce(&none)
    #expect(none.isEmpty)
  }

  @Test func broadcastFromEveryRank() throws {
    let world = try testWorld()
    for root in 0..<world.size {
      // What others pass does not matter, its length neither.
      let mine = world.rank == root ? block(root) : [Int32](repeating: -1, count: world.rank)
      let values = try world.broadcast(mine, root: root)
      #expect(values == block(root))
    }
    let text = try world.broadcast(world.isRoot ? "Ångström, 2 µm" : "")
    #expect(text == "Ångström, 2 µm")
  }

  @Test func gatherings() throws {
    let world = try testWorld()
    let all = (0..<world.size).flatMap(block)
    let everywhere = try world.allgatherRagged(block(world.rank))
    #expect(everywhere == all)
    let equal = try world.allgather([UInt8(world.rank), 9])
    #expect(equal == (0..<world.size).flatMap { [UInt8($0), 9] })
    let last = world.size - 1
    let onLast = try world.gatherRagged(block(world.rank), root: last)
    #expect(onLast == (world.rank == last ? all : []))
    let nothing = try world.gatherRagged([Float]())
    #expect(nothing.isEmpty)
  }

  @Test func scatterGivesBackWhatWasGathered() throws {
    let world = try testWorld()
    let counts = (0..<world.size).map { block($0).count }
    let last = world.size - 1
    let all = world.rank == last ? (0..<world.size).flatMap(block) : []
    let mine = try world.scatterRagged(all, counts: counts, root: last)
    #expect(mine == block(world.rank))
  }

  @Test func everyRankToEveryRank() throws {
    let world = try testWorld()
    // Rank s sends rank d the number 100 s + d, (s + 2 d) mod 4 times: some messages are empty.
    func message(_ source: Int, _ target: Int) -> [Int32] {
      .init(repeating: Int32(100 * source + target), count: (source + 2 * target) % 4)
    }
    let ranks = 0..<world.size
    let sent = ranks.flatMap { message(world.rank, $0) }
    let received = try world.alltoallRagged(
      sent, counts: ranks.map { message(world.rank, $0).count })
    #expect(received.values == ranks.flatMap { message($0, world.rank) })
    #expect(received.counts == ranks.map { message($0, world.rank).count })
  }

  @Test func messagesRoundTheRing() throws {
    let world = try testWorld()
    let (next, previous) = (
      (world.rank + 1) % world.size, (world.rank + world.size - 1) % world.size
    )
    let count = 100_000
    let outgoing = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    let incoming = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    defer {
      outgoing.deallocate()
      incoming.deallocate()
    }
    for i in 0..<count { outgoing[i] = Float(world.rank * 1000 + i % 997) }
    for step in 1...world.size {
      incoming.update(repeating: -1)
      let arrival = try world.startReceive(incoming, from: previous, tag: .probe)
      var departure = try world.startSend(UnsafeBufferPointer(outgoing), to: next, tag: .probe)
      _ = try departure.test()
      try arrival.wait()
      try departure.wait()
      let origin = (world.rank + step * (world.size - 1)) % world.size
      let isRight = (0..<count).allSatisfy { incoming[$0] == Float(origin * 1000 + $0 % 997) }
      #expect(isRight, "step \(step)")
      _ = outgoing.update(fromContentsOf: incoming)
    }
  }

  @Test func messageShorterThanItsBuffer() throws {
    let world = try testWorld()
    let last = world.size - 1
    // A rank that is alone sends to itself.
    let message = [Int32](4...9)
    try message.withUnsafeBufferPointer { message in
      var departure = world.rank == last ? try world.startSend(message, to: 0, tag: .probe) : nil
      if world.isRoot {
        var buffer = [Int32](repeating: -1, count: 10)
        let count = try buffer.withUnsafeMutableBufferPointer {
          try world.receive(into: $0, from: last, tag: .probe)
        }
        #expect(count == 6)
        #expect(buffer == [4, 5, 6, 7, 8, 9, -1, -1, -1, -1])
      }
      try departure.take()?.wait()
    }
  }

  @Test func memoryIsOneForTheWholeNode() throws {
    let world = try testWorld()
    let node = try world.splitByNode()
    let memory = try NodeMemory<Double>.allocate(count: 1000 * node.size + 1, node: node)
    let wasZero = memory.elements.allSatisfy { $0 == 0 }
    #expect(wasZero)
    try memory.fence()
    for i in 0..<1000 { memory.elements[i * node.size + node.rank] = Double(node.rank) + 0.5 }
    try memory.fence()
    for i in 0..<1000 {
      for rank in 0..<node.size {
        let value = memory.elements[i * node.size + rank]
        #expect(value == Double(rank) + 0.5)
      }
    }
    try memory.fence()
  }

  @Test func aRankGivesUpMemoryByItselfAndNothingIsLeft() throws {
    let node = try testWorld().splitByNode()
    func files() throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: "/dev/shm").filter {
        $0.hasPrefix("kindred-")
      }
    }
    var memory: NodeMemory<Int64>? = try .allocate(count: 100_000, node: node)
    memory?.elements[0] = 7
    try memory?.fence()
    #expect(try files().isEmpty)
    if node.isRoot { memory = nil }
    try node.barrier()
    #expect(node.isRoot || memory?.elements[0] == 7)
  }

  @Test func aNodeWithoutRoomIsAnErrorOnAllItsRanks() throws {
    let node = try testWorld().splitByNode()
    #expect(try NodeMemory<Double>.allocate(ifRoomFor: 1000, node: node) != nil)
    #expect(try SharedCounters(ifRoomFor: 1 << 50, node: node) == nil)
    #expect(throws: MPIError.self) {
      _ = try NodeMemory<Double>.allocate(count: 1 << 50, node: node)
    }
    try node.barrier()
  }

  /// Ranks of the whole node, of pairs that stand in for two nodes, and each by itself.
  @Test(arguments: [4, 2, 1]) func arraysAreReadByAllRanks(ranksPerNode: Int) throws {
    let world = try testWorld()
    let node = try world.split(colour: world.rank / ranksPerNode, key: world.rank)
    func part(_ rank: Int) -> [Int32] {
      raggedSlice(of: 1000, rank: rank, ranks: world.size).map { Int32($0 * $0 - 500) }
    }
    let array = try NodeArray(gathering: part(world.rank), on: world, node: node)
    #expect(Array(array.elements) == (0..<world.size).flatMap(part))
    #expect(array.isShared == (ranksPerNode > 1 && world.size > 1))
    let none = try NodeArray<Float>(gathering: [], on: world, node: node)
    #expect(none.elements.isEmpty)
    try world.barrier()
  }

  @Test func everyNumberIsCountedOnce() throws {
    let node = try testWorld().splitByNode()
    let counters = try #require(try SharedCounters(ifRoomFor: 3, node: node))
    var own: [Int64] = []
    for _ in 0..<20_000 { own.append(Int64(counters.next(1))) }
    let all = try node.allgatherRagged(own)
    #expect(all.sorted() == Array(0..<Int64(20_000 * node.size)))
    #expect(zip(own, own.dropFirst()).allSatisfy(<))
    #expect(counters.value(1) == 20_000 * node.size && counters.value(2) == 0)
    try node.barrier()
  }

  @Test func theNodesRanksTakeEachItemOnce() throws {
    let world = try testWorld()
    let queue = try NodeQueue(rounds: 3, on: world)
    for count in [1000, 0, 2 * world.size + 1] {
      queue.begin(count)
      var own: [Int] = []
      while case let items = queue.next(3), !items.isEmpty {
        own += items
        // One rank is slow: the others take what it does not.
        if world.rank == 0 { usleep(1000) }
      }
      #expect(queue.next() == nil)
      #expect(try world.allgatherRagged(own).sorted() == Array(0..<count))
      let share = count / world.size
      if world.size > 1 && world.isRoot && count == 1000 { #expect(own.count < share) }
    }
  }

  @Test func splitOrdersByKey() throws {
    let world = try testWorld()
    let part = try world.split(colour: world.rank % 2, key: -world.rank)
    let members = try part.allgather([world.rank])
    #expect(members == (0..<world.size).filter { $0 % 2 == world.rank % 2 }.reversed())
  }

  @Test func oneFailureIsEveryRanks() throws {
    struct Broken: Error {}
    let world = try testWorld()
    let culprit = world.size - 1
    #expect(throws: ReportedError.self) {
      try world.agree {
        if world.rank == culprit { throw Broken() }
      }
    }
    // Nothing is left over that would spoil what follows.
    let rank = try world.agree { world.rank }
    #expect(rank == world.rank)
  }

  @Test func errorsOfMPIAreThrown() throws {
    let world = try testWorld()
    let error = #expect(throws: MPIError.self) {
      _ = try world.broadcast([1], root: world.size + 3)
    }
    #expect(error?.description.contains("MPI_Bcast failed") == true)
  }
}
