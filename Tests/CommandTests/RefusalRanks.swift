import ArgumentParser
import Foundation
import MPI
import TestSupport
import Testing

@testable import kindred

/// What `average` and `simulate` refuse, in the ranks of the tests: every mistake on any number of ranks, each as one
/// message, with nothing left. `BadInputTests`, `OptionTests` and `SimulateTests` start the program for a few of them.
///
/// Collective: every rank runs the same tests in the same order.
@Suite(.serialized, .timeLimit(.minutes(5))) struct RefusalRanks {
  @Test(arguments: DamagedSet.damages) func damagedInput(damage: Damage) throws {
    let world = try testWorld()
    let folder = try SharedFolder(on: world) { try DamagedSet.make(damage) }
    try expectRefusal(
      DamagedSet.arguments(folder.files, damage.options), containing: damage.expected, on: world)
    #expect(folder.files.names(in: "run") == [])
    try world.barrier()
  }

  @Test(arguments: OptionMistakes.all) func options(mistake: ([String], String)) throws {
    let world = try testWorld()
    let folder = try SharedFolder(on: world) { try DamagedSet.make() }
    try expectRefusal(
      DamagedSet.arguments(folder.files, mistake.0), containing: [mistake.1], on: world)
    // Which search `auto` takes is known once there is a model, which is kept.
    let isAutomatic = mistake.1 == "--probabilities formula" && !mistake.0.contains("--search")
    let left = isAutomatic ? ["checkpoints"] : []
    #expect(folder.files.names(in: "run") == left)
    try world.barrier()
  }

  @Test(arguments: SimulationMistake.all) func simulations(mistake: SimulationMistake) throws {
    let world = try testWorld()
    let folder = try SharedFolder(on: world) { try SimulationMistake.maps() }
    try expectRefusal(
      mistake.arguments(folder.files), containing: [mistake.message], on: world)
    #expect(folder.files.names(in: "out") == [])
    try world.barrier()
  }

  @Test func oneImageTooFew() throws {
    let world = try testWorld()
    let images = world.size - 1
    let mistake = SimulationMistake(
      ["--images", "\(images)"],
      images == 0 ? "0 images" : "\(world.size) ranks for \(images) images")
    let folder = try SharedFolder(on: world) { try SimulationMistake.maps() }
    try expectRefusal(mistake.arguments(folder.files), containing: [mistake.message], on: world)
    #expect(folder.files.names(in: "out") == [])
    try world.barrier()
  }

  /// Otherwise the refusals could have another cause.
  @Test func aRunIsNotRefused() throws {
    let world = try testWorld()
    let folder = try SharedFolder(on: world) { try DamagedSet.make() }
    let outcome = try outcome(DamagedSet.arguments(folder.files, []), on: world)
    #expect(outcome.refusals == 0 && outcome.errors == [])
    #expect(folder.files.names(in: "run") == RunOutput.fileNames)
    try world.barrier()
  }

  private func expectRefusal(
    _ arguments: [String], containing expected: [String], on world: Communicator,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    let outcome = try outcome(arguments, on: world)
    #expect(outcome.refusals == world.size, sourceLocation: location)
    #expect(outcome.errors.count == 1, "\(outcome.errors)", sourceLocation: location)
    for text in expected {
      #expect(
        outcome.errors.first?.contains(text) == true, "\(text): \(outcome.errors)",
        sourceLocation: location)
    }
  }

  /// What the program does once MPI runs.
  private func run(_ arguments: [String], on world: Communicator) throws {
    let command: any ParsableCommand
    do {
      command = try Kindred.parseAsRoot(arguments)
    } catch {
      return try world.agree { throw UsageError(text: Kindred.fullMessage(for: error)) }
    }
    switch command {
    case let average as AverageCommand: try average.run(on: world)
    case let simulation as SimulateCommand: try simulation.run(on: world)
    default: throw UsageError(text: "\(arguments) is tested elsewhere")
    }
  }

  /// How many ranks a command is refused on, and the errors that all of them print.
  private func outcome(_ arguments: [String], on world: Communicator) throws -> (
    refusals: Int, errors: [String]
  ) {
    var isRefused = false
    Universe.speak(by: ErrorText.speaker)
    let printed = try StandardError.capture {
      do {
        try run(arguments, on: world)
      } catch is ReportedError {
        isRefused = true
      } catch {
        // Found by this rank alone, which then ends the job.
        isRefused = true
        ErrorText.speaker.tell(error)
      }
    }
    let all = try world.allgatherRagged(Array(printed.utf8))
    return (
      try world.allreduce(isRefused ? 1 : 0, .sum),
      String(decoding: all, as: UTF8.self).split(separator: "\n").map(String.init)
        .filter { $0.contains("kindred: error:") }
    )
  }
}

/// A folder that one rank has made and all see; it lives on rank 0.
private struct SharedFolder {
  /// On every rank.
  let files: TemporaryFolder

  init(on world: Communicator, make: () throws -> TemporaryFolder) throws {
    let own = try world.agree { world.isRoot ? try make() : nil }
    let path = try world.broadcast(own?.path ?? "")
    files = own ?? TemporaryFolder(ofAnother: path)
  }
}

/// Standard error of this process.
private enum StandardError {
  /// What is written to it meanwhile.
  static func capture(_ body: () throws -> Void) throws -> String {
    let folder = try TemporaryFolder()
    let file = open(folder.file("err"), O_WRONLY | O_CREAT, 0o600)
    let original = dup(STDERR_FILENO)
    try #require(file >= 0 && original >= 0)
    dup2(file, STDERR_FILENO)
    defer {
      dup2(original, STDERR_FILENO)
      close(original)
      close(file)
    }
    try body()
    return try folder.text("err")
  }
}
