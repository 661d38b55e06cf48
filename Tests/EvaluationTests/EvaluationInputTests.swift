import ParticleIO
import Testing

@testable import Evaluation

@Suite struct EvaluationInputTests {
  /// The message of the `InputError` that `body` throws.
  private func message(_ body: () throws -> Void) -> String? {
    do { try body() } catch let error as InputError { return error.description } catch {}
    return nil
  }

  private func readTable(_ set: SyntheticSet, width: Int? = nil, images: Int = 4) throws {
    _ = try RunTable.read(
      folder: set.folder.path, width: width, images: images, truth: "truth")
  }

  @Test func takesTheFirstNeighboursOfEachImage() throws {
    let set = try SyntheticSet()
    let table = try RunTable.read(
      folder: set.folder.path, width: 2, images: 4, truth: "truth")
    #expect(table.neighbours == [1, 2, 0, 2, 1, 0, 0, 1])
    #expect(table.reflected == [0, 1, 0, 1, 1, 1, 0, 0])
    #expect(table.rotation == [-40, 25, 40, 65, 65, 25, 0, 0])
  }

  @Test func refusesWrongShapes() throws {
    let set = try SyntheticSet()
    #expect(
      message { try readTable(set, width: 4) }
        == set.folder.file("neighbours.npy")
        + ": holds 3 neighbours per image; 4 were asked for")
    #expect(
      message { try readTable(set, images: 5) }
        == set.folder.file("neighbours.npy")
        + ": neighbours of 4 images; truth holds 5 images")
    try set.write(SyntheticSet.rotation, "rotation.npy", rows: 3)
    #expect(
      message { try readTable(set) }
        == set.folder.file("rotation.npy")
        + ": an array of shape [3, 4]; [4, 3] as neighbours.npy expected")
    try set.remove("reflected.npy")
    #expect(
      try #require(message { try readTable(set) }).hasPrefix(set.folder.file("reflected.npy")))
  }

  @Test(arguments: [
    (Int32(4), "neighbour 2 is image 4 (counted from 0) of 4"),
    (-2, "neighbour 2 is image -2 (counted from 0) of 4"),
    (1, "neighbour 2 is the particle itself"),
    (0, "neighbour 2 is image 0 (counted from 0), which is in the list already"),
  ])
  func refusesImpossibleNeighbours(index: Int32, reason: String) throws {
    let set = try SyntheticSet()
    var neighbours = SyntheticSet.neighbours
    neighbours[4] = index
    try set.write(neighbours, "neighbours.npy")
    #expect(
      message { try readTable(set) }
        == set.folder.file("neighbours.npy") + ": particle 2 (counted from 1): " + reason)
  }

  @Test func refusesATruthThatDoesNotFit() throws {
    let set = try SyntheticSet()
    func open() throws { _ = try SimulationTruth(folder: set.folder.path) }
    #expect(message { try open() } == nil)
    try set.writeTruth(3)
    #expect(
      message { try open() }
        == "\(set.folder.file("truth.star")): holds 3 orientations for the 4 images of "
        + set.folder.file("clean.mrcs"))
    try set.remove("truth.star")
    #expect(
      message { try open() }
        == "\(set.folder.file("truth.star")): no such file, and no rotations.npy beside it")
    try set.remove("clean.mrcs")
    #expect(try #require(message { try open() }).hasPrefix(set.folder.file("clean.mrcs")))
  }
}
