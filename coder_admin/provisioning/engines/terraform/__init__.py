"""The engine that runs the ``terraform`` or ``tofu`` command of the machine.

``binary`` finds the command, ``workfolder`` lays out its folder, ``environment`` says what it may see,
``process`` runs it, ``messages`` reads what it says, ``results`` reads the state, ``engine`` is the whole.
"""
