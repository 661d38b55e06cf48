import Foundation
import Synchronization
import Testing

@testable import Execution

@Suite struct WorkerPoolTests {
  /// What a thread notes: not to be touched by another.
  private struct Notes {
    var items: [Int] = []
    var isBusy = false
    var clashes = 0
  }

  private final class Output {
    var items: [Int] = []
  }

  private struct Failure: Error, Equatable { let item: Int }

  private static let shapes = [
    (threads: 1, count: 5), (2, 0), (2, 1), (2, 7), (3, 100), (8, 3), (0, 2),
  ]

  @Test(arguments: shapes) func eachItemOnce(threads: Int, count: Int) {
    let pool = WorkerPool(threads: threads) { Notes() }
    #expect(pool.count == max(1, threads))
    // States live from loop to loop.
    for round in 1...2 {
      pool.forEach(count) { notes, item in notes.items.append(item) }
      var all: [Int] = []
      pool.forEachState { all += $0.items }
      #expect(all.sorted() == (0..<count).flatMap { Array(repeating: $0, count: round) })
    }
  }

  @Test func noMoreThreadsThanItems() {
    var states = 0
    let pool = WorkerPool(threads: 8, items: 3) { states += 1 }
    #expect(pool.count == 3 && states == 3)
    #expect(WorkerPool(threads: 8, items: 0).count == 1)
    #expect(WorkerPool(threads: 2, items: 3).count == 2)
  }

  /// No item meets another in its thread's state.
  @Test func aStateIsOneThreads() {
    let pool = WorkerPool(threads: 4) { Notes() }
    pool.forEach(40) { notes, item in
      if notes.isBusy { notes.clashes += 1 }
      notes.isBusy = true
      usleep(500)
      notes.isBusy = false
    }
    pool.forEachState { #expect($0.clashes == 0) }
  }

  /// Two items that wait for each other.
  @Test(.enabled(if: ProcessInfo.processInfo.activeProcessorCount > 1)) func atTheSameTime() {
    let begun = Atomic(0)
    let met = WorkerPool(threads: 2).map(2) { _, _ in
      begun.add(1, ordering: .relaxed)
      let end = Date() + 20
      while begun.load(ordering: .relaxed) < 2 && Date() < end { usleep(100) }
      return begun.load(ordering: .relaxed) == 2
    }
    #expect(met == [true, true])
  }

  @Test(arguments: shapes) func resultsInTheirOrder(threads: Int, count: Int) {
    let squares = WorkerPool(threads: threads, items: count).map(count) { _, item in item * item }
    #expect(squares == (0..<count).map { $0 * $0 })
  }

  @Test(arguments: shapes) func anOutputForEachThread(threads: Int, count: Int) {
    let pool = WorkerPool(threads: threads) { Notes() }
    let outputs = (0..<pool.count).map { _ in Output() }
    pool.forEach(count, into: outputs) { notes, output, item in
      notes.items.append(item)
      output.items.append(item)
    }
    var states: [[Int]] = []
    pool.forEachState { states.append($0.items) }
    #expect(outputs.map(\.items) == states)
    #expect(states.joined().sorted() == Array(0..<count))
  }

  /// The first item's, although another throws long before it; the same whatever the threads.
  @Test(arguments: 1...5) func theErrorOfTheFirstItem(threads: Int) {
    let pool = WorkerPool(threads: threads) { Notes() }
    let body = { @Sendable (notes: inout Notes, item: Int) throws(Failure) in
      if item == 6 { usleep(20_000) }
      if item % 5 == 1 && item > 1 { throw Failure(item: item) }
      notes.items.append(item)
    }
    #expect(throws: Failure(item: 6)) { try pool.forEach(30, body) }
    // What comes before it is done all the same.
    var done: [Int] = []
    pool.forEachState { done += $0.items }
    #expect(Set(done).isSuperset(of: 0..<6))
    #expect(throws: Failure(item: 6)) {
      _ = try pool.map(30) { (notes, item) throws(Failure) in try body(&notes, item) }
    }
    var numbers = [Int](repeating: 0, count: 30)
    #expect(throws: Failure(item: 6)) {
      try pool.forEachRow(0..<30, of: &numbers, width: 1) { (notes, item, row) throws(Failure) in
        try body(&notes, item)
        row[0] = 1
      }
    }
    #expect(numbers[..<7] == [1, 1, 1, 1, 1, 1, 0])
  }

  @Test(arguments: [1, 2, 5]) func eachItemItsRow(threads: Int) {
    // Rows of 4, of which the last has 2 elements.
    var numbers = [Int](repeating: -1, count: 18)
    let pool = WorkerPool(threads: threads)
    pool.forEachRow(0..<5, of: &numbers, width: 4) { _, row, elements in
      for at in elements.indices { elements[at] = 100 * row + 10 * elements.count + at }
    }
    #expect(
      numbers == (0..<18).map { 100 * ($0 / 4) + ($0 < 16 ? 40 : 20) + $0 % 4 })
    // Some rows of all.
    pool.forEachRow(1..<3, of: &numbers, width: 4) { _, row, elements in
      for at in elements.indices { elements[at] = -row }
    }
    #expect(Array(numbers[4..<12]) == [-1, -1, -1, -1, -2, -2, -2, -2])
    #expect(numbers[3] == 43 && numbers[12] == 340)
  }

  @Test func rowsOfTwoArrays() {
    var numbers = [Int](repeating: 0, count: 7)
    var texts = [String](repeating: "", count: 8)
    WorkerPool(threads: 3).forEachRow(1..<4, of: &numbers, &texts, width: 2) {
      _, row, numbers, texts in
      for at in numbers.indices { numbers[at] = row }
      for at in texts.indices { texts[at] = "\(row).\(at)" }
    }
    #expect(numbers == [0, 0, 1, 1, 2, 2, 3])
    #expect(texts == ["", "", "1.0", "1.1", "2.0", "2.1", "3.0", "3.1"])
  }

  @Test func rowsWithoutElements() {
    var none: [Int] = []
    let pool = WorkerPool(threads: 2) { Notes() }
    pool.forEachRow(0..<3, of: &none, width: 0) { notes, row, elements in
      if elements.isEmpty { notes.items.append(row) }
    }
    var rows: [Int] = []
    pool.forEachState { rows += $0.items }
    #expect(rows.sorted() == [0, 1, 2])
    pool.forEachRow(0..<0, of: &none, width: 4) { _, _, _ in Issue.record("there is no row") }
  }
}
