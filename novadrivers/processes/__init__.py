# SPDX-License-Identifier: Apache-2.0
"""The nova-compute processes that the metadata of an instance describe, one per hypervisor type.

Standard library only: ``python3 -m novadrivers.processes FILE DIRECTORY`` runs inside instances
before anything is configured, and the generator uses the same code to check a cloud file. The
metadata have one of two layouts, or both:

- Current: a namespace ``nova-<type>:`` beside the shared ``nova:``. Each such namespace is one
  process. Its keys are the leaves of TripleO's ``nova:`` (``compute_hostname``,
  ``compute_driver``, ``compute_libvirt_type``, ``state_path``, ``tuning.…``), and others that only
  this type has.
- Old, as TripleO had it in 2014: everything under ``nova:``, which describes at most one process.
  Its type follows from ``compute_driver``, ``compute_libvirt_type``, ``baremetal`` and the
  namespace ``ironic``. It keeps its host name and state path, because Nova would lose its instances
  otherwise. No other process reads these keys of ``nova:``: two processes would share one name.

Where both layouts describe a process of the same type, each key of the current layout wins.

Each nova-compute reports the whole node. So the processes whose instances run on the node share it:
each reserves what is not its own.
"""

from novadrivers.processes.command import main, this_node
from novadrivers.processes.layouts import OLD_STATE_PATH
from novadrivers.processes.model import Capacity, MetadataError, Problem, Process
from novadrivers.processes.resolve import Defaults, processes, resolved
from novadrivers.processes.table import TYPES, ProcessType

__all__ = [
    "OLD_STATE_PATH",
    "TYPES",
    "Capacity",
    "Defaults",
    "MetadataError",
    "Problem",
    "Process",
    "ProcessType",
    "main",
    "processes",
    "resolved",
    "this_node",
]
