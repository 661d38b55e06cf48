import Foundation
import MPI

/// Finds the stacks of a particle table and checks that they hold what it says.
enum StackCatalog {
  /// The checked particle set; throws `InputError`.
  static func check(_ table: ParticleTable, hasCTF: Bool) throws -> ParticleSet {
    let starFile = table.table.file
    let (pixelSize, used) = try commonPixelSize(table)
    var firstParticle = [Int?](repeating: nil, count: table.stackNames.count)
    for (index, particle) in table.particles.enumerated()
    where firstParticle[Int(particle.stack)] == nil { firstParticle[Int(particle.stack)] = index }

    var stacks: [String] = []
    var sections: [Int] = []
    var boxSize = 0
    for (name, first) in zip(table.stackNames, firstParticle) {
      let path = try locate(name, in: table, particle: first!)
      let file = try MRCFile(path: path)
      guard file.width == file.height else {
        throw InputError(
          file: path, "its images are \(file.width) x \(file.height); square ones expected")
      }
      if let other = stacks.first, file.width != boxSize {
        throw InputError(
          file: path,
          "its images are \(file.width) x \(file.height), those of \(other) are "
            + "\(boxSize) x \(boxSize); one size expected")
      }
      boxSize = file.width
      stacks.append(path)
      sections.append(file.sections)
    }
    for (index, particle) in table.particles.enumerated()
    where particle.section >= sections[Int(particle.stack)] {
      throw InputError(
        file: starFile, line: Int(particle.line), column: "rlnImageName", particle: index,
        "image \(particle.section + 1) of \(stacks[Int(particle.stack)]), which holds "
          + "\(sections[Int(particle.stack)])")
    }
    let half = Float(boxSize) / 2
    for (index, particle) in table.particles.enumerated()
    where !(abs(particle.displacement.x) <= half && abs(particle.displacement.y) <= half) {
      throw InputError(
        file: starFile, line: Int(particle.line), column: table.originColumn, particle: index,
        "its origin is (\(-particle.displacement.x), \(-particle.displacement.y)) pixels: outside the image of "
          + "\(boxSize) x \(boxSize) pixels")
    }
    for group in used {
      guard let size = table.groups[group].imageSize, size != boxSize else { continue }
      throw InputError(
        file: starFile, line: table.groupLines?[group], column: "rlnImageSize",
        "optics group \(table.groups[group].number) says \(size) pixels, the images of "
          + "\(stacks[0]) are \(boxSize) x \(boxSize)")
    }
    return ParticleSet(
      starFile: starFile, stacks: stacks, opticsGroups: table.groups, particles: table.particles,
      hasCTF: hasCTF, boxSize: boxSize, pixelSize: pixelSize,
      isPixelSizeKnown: table.isPixelSizeKnown)
  }

  /// The pixel size of the groups that particles use, and those groups, in ascending order.
  private static func commonPixelSize(_ table: ParticleTable) throws -> (Double, [Int]) {
    var isUsed = [Bool](repeating: false, count: table.groups.count)
    for particle in table.particles { isUsed[Int(particle.opticsGroup)] = true }
    let used = isUsed.indices.filter { isUsed[$0] }
    let first = table.groups[used[0]]
    for index in used {
      let group = table.groups[index]
      // Files give six decimals; sizes closer than that are one size.
      guard abs(group.pixelSize - first.pixelSize) > 1e-5 * first.pixelSize else { continue }
      throw InputError(
        file: table.table.file, line: table.groupLines?[index],
        "optics group \(group.number) (\(group.name)) has pixels of \(group.pixelSize) A, group "
          + "\(first.number) (\(first.name)) of \(first.pixelSize) A; one pixel size expected")
    }
    return (first.pixelSize, used)
  }

  /// The stack's path: relative to the STAR file's folder or to the current one (RELION's project).
  private static func locate(_ name: String, in table: ParticleTable, particle: Int) throws
    -> String
  {
    let folder = (table.table.file as NSString).deletingLastPathComponent
    let beside = name.hasPrefix("/") || folder.isEmpty ? name : folder + "/" + name
    for path in [beside, name] where access(path, F_OK) == 0 { return path }
    let places = beside == name ? name : "\(beside) and \(name)"
    throw InputError(
      file: table.table.file, line: Int(table.particles[particle].line), column: "rlnImageName",
      particle: particle, "the stack is not there; looked for \(places)")
  }
}
