import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Particles that cannot be used are named and left out; everything else keeps its place.
  @Suite struct LeftOutTests {
    private static let bad = [0, 16, 29]
    private static let damage = Damage("three bad particles") { data in
      data.setPixels(image: 0, 0..<256, to: 3)
      data.setPixels(image: 16, 40..<41, to: .nan)
      data.setPixels(image: 29, 255..<256, to: .infinity)
    }

    @Test(arguments: [1, 2, 3]) func keepPlacesOfTheInput(ranks: Int) throws {
      let folder = try DamagedSet.make(Self.damage)
      let run = try DamagedSet.average(folder, ranks: ranks)
      #expect(run.status == 0, "\(run.text)")
      let star = folder.file("set/particles.star")
      #expect(
        Array(run.output.split(separator: "\n").suffix(5)) == [
          "left out: particle 1 of \(star): all pixels are equal",
          "left out: particle 17 of \(star): NaN or infinite pixels",
          "left out: particle 30 of \(star): NaN or infinite pixels",
          "3 of 30 particles left out",
          "27 averages of 3 neighbours in \(folder.file("run"))",
        ])
      let record = try RunOutput.record(folder, "run")
      #expect(record["images_used"] as? Int == 27)
      let leftOut = try #require(record["images_left_out"] as? [[String: Any]])
      #expect(leftOut.map { $0["particle"] as? Int } == [1, 17, 30])

      let found = try RunOutput(folder, "run")
      #expect(found.shapes == [[Int]](repeating: [30, 3], count: 4))
      let averages = try RunOutput.stack(folder.file("run/averages.mrcs"))
      #expect(averages.file.sections == 30)
      for image in 0..<30 {
        let list = image * 3..<image * 3 + 3
        let isZero = averages.pixels[image * 256..<(image + 1) * 256].allSatisfy { $0 == 0 }
        if Self.bad.contains(image) {
          #expect(found.neighbours[list].allSatisfy { $0 == -1 } && isZero)
          #expect(found.affinity[list].allSatisfy { $0.isNaN })
        } else {
          #expect(found.neighbours[list].allSatisfy { !Self.bad.contains(Int($0)) && $0 >= 0 })
          #expect(found.affinity[list].allSatisfy { $0.isFinite } && !isZero)
        }
      }
    }

    /// The same neighbours and averages as of a STAR file that does not list the bad particles.
    @Test func takeNoPart() throws {
      let folder = try DamagedSet.make(Self.damage)
      #expect(try DamagedSet.average(folder, ranks: nil).status == 0)
      let all = try RunOutput(folder, "run")
      let averages = try RunOutput.stack(folder.file("run/averages.mrcs")).pixels
      let badLines = Self.bad.map { DamagedSet.firstLine - 1 + $0 }
      let lines = try folder.text("set/particles.star")
        .split(separator: "\n", omittingEmptySubsequences: false).enumerated()
        .filter { !badLines.contains($0.offset) }.map(\.element)
      try folder.write(lines.joined(separator: "\n"), to: "set/particles.star")
      #expect(try DamagedSet.average(folder, ["--overwrite"], ranks: nil).status == 0)
      let good = try RunOutput(folder, "run")
      let fewer = try RunOutput.stack(folder.file("run/averages.mrcs")).pixels
      let kept = (0..<30).filter { !Self.bad.contains($0) }
      for (place, image) in kept.enumerated() {
        let expected = good.neighbours[place * 3..<place * 3 + 3].map { Int32(kept[Int($0)]) }
        #expect(Array(all.neighbours[image * 3..<image * 3 + 3]) == expected)
        let same =
          averages[image * 256..<(image + 1) * 256] == fewer[place * 256..<(place + 1) * 256]
        #expect(same, "average \(image)")
      }
    }
  }
}
